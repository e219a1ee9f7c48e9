"""The OpenAPI documents of the registrar's two ports, as plain data: one module for each group of routes."""
