"""Scenarios driven by measured demand and radio (docs/traces.md); tables with a NOTICE of whose they are."""
