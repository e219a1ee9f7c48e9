DROP TABLE public_jwks;

DROP TABLE agents;
