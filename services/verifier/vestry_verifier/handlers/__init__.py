"""Parse, call, render: one module for each endpoint."""
