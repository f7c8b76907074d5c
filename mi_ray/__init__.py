"""mi-ray: mutual-information studies of contrastive learning on a Ray cluster."""
