"""Stated tests of claims, shared by all verdicts: readings with their uncertainty, claims, judgements."""
