"""Stated tests of claims, shared by the verdicts of all studies: readings with their uncertainty, claims, judgements."""
