"""Workflow (评委会、评审办、监督组): the award year from the annual plan to the awards."""
