"""Estimates of mutual information from a user's own arrays and files, without a study, a store or a cluster."""
