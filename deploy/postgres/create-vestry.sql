-- Run once, by the superuser, when the database is made: the registrar gets a role that owns its database and
-- nothing else. As superuser it could run programs on the database's machine.
\set password `cat /secrets/vestry_password`
CREATE ROLE vestry LOGIN PASSWORD :'password';
CREATE DATABASE vestry OWNER vestry;
