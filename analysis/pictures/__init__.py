"""Pictures of any study, drawn from its committed cells: positive pairs, training curves, embeddings, confusions."""
