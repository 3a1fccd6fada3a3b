"""The smallest run through every stage, and what may be done to its files."""

import nibabel as nib
import numpy as np

from lesionseg import cli

BACKBONE = "network.maskrcnn.backbone"
TINY = [
    "workers=0",
    "device=cpu",
    "train.steps=6",
    "train.validate_every=3",
    "train.validation_cases=1",
    "sampling.size=32",
    "sampling.batch_size=2",
    "network.unet.channels=[8,12,16]",
    f"{BACKBONE}=tiny",
    "network.maskrcnn.pyramid_channels=16",
    "network.maskrcnn.box_width=32",
    "network.maskrcnn.mask_width=8",
    "network.maskrcnn.roi_rule.score_floor=0.03",  # after six steps nothing scores more
]
RUN = [*TINY, "loss_slabs=4", "price_lesions=4"]  # a run measures losses, too
PHANTOM = ["data.phantom.num_train=5", "data.phantom.num_test=2", "data.phantom.size=0.3"]
MODELS = ("unet", "maskrcnn")


def last_of_each(words):
    """The words of a command line, of each key the last: none may be given twice."""
    return list({word.partition("=")[0]: word for word in words}.values())


def change(path, edit, affine=None):
    image = nib.load(path)
    array = edit(np.asarray(image.dataobj))
    nib.save(nib.Nifti1Image(array, image.affine if affine is None else affine), path)


def lose_a_channel(data, case):
    (data / "imagesTr" / f"{case}_0001.nii.gz").unlink()


def predict(finished, *words, model="unet"):
    folder = f"model={finished / 'models' / model}"
    images = f"input={finished / 'phantom/imagesTs'}"
    return cli.main(
        last_of_each(
            ["predict", folder, images, f"output={finished / 'out'}", "device=cpu", *words]
        )
    )


def cut(images):
    path = images / "phantom_test000_0001.nii.gz"
    path.write_bytes(path.read_bytes()[:-100])
