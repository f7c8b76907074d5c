"""Embed a folder of images with a checkpoint of lightly, solo-learn, Lightning, timm, torchvision or others.

mi-ray embed photos/ --checkpoint last.ckpt --arch resnet18 --out photos.npz
mi-ray estimate photos.npz
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mi_ray.commands.flags import Flags
from mi_ray.experiments.declare.checks import refuse, say
from mi_ray.running.exit import DONE, before_the_start


def main(argv: Sequence[str]) -> int:
    """Write embeddings, labels, splits and names to an .npz file."""
    flags = Flags("embed", __doc__)
    flags.add_argument("images", metavar="FOLDER", help="a folder for each class, or train, validation and test above")
    flags.add_argument("--checkpoint", required=True, metavar="FILE")
    flags.add_argument("--arch", required=True, help="the encoder of the checkpoint in timm's words, such as resnet50")
    flags.add_argument("--stem", default="imagenet", help="imagenet, or cifar: 3 x 3 and no pooling (%(default)s)")
    flags.add_argument("--weights", default="", help="raw or averaged, where the file holds both")
    flags.add_argument("--held-out", type=float, default=0.2, help="of a class, for validation and test (%(default)s)")
    flags.add_argument("--random-state", type=int, default=0, metavar="SEED", help="(%(default)s)")
    flags.add_argument("--loaders", type=int, default=0, metavar="N", help="processes that decode images (%(default)s)")
    flags.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    flags.add_argument("--out", type=Path, default=Path("embeddings.npz"), help="an .npz file (%(default)s)")
    given = vars(flags.parse_args(argv))
    out: Path = given.pop("out")
    if out.suffix != ".npz":
        raise refuse("out", str(out), "a name that ends in .npz")
    from mi_ray.estimates.embedding import embed

    found = embed(given.pop("images"), given.pop("checkpoint"), **given)
    with before_the_start():
        found.save(out)
    say(repr(found), f"written to {out}; next: mi-ray estimate {out}")
    return DONE
