"""Converts the embedded default model, once, and prints its folder: `python -m skillmix_lightning.models`."""

from skillmix_lightning.models import embedded_model

if __name__ == "__main__":
    print(embedded_model())
