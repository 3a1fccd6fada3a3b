"""Enhanced multi-frame MR files, written with pydicom attribute by attribute."""

from __future__ import annotations

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian

AXIAL = (1, 0, 0, 0, 1, 0)


def holding(**values):
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def write_enhanced(
    path, voxels, positions, *, orientation=AXIAL, spacing=(1.0, 1.0), scales=None, **changes
):
    """voxels: (frames, rows, columns) uint16. positions: mm LPS of the first pixel of each frame.

    scales: (slope, intercept) of each frame; None: none is written. changes: other attributes.
    """
    groups = []
    for index, position in enumerate(positions):
        frame = holding(
            PlanePositionSequence=Sequence(
                [holding(ImagePositionPatient=[f"{mm:.8g}" for mm in position])]
            )
        )
        if scales is not None:
            slope, intercept = scales[index]
            frame.PixelValueTransformationSequence = Sequence(
                [holding(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")]
            )
        groups.append(frame)
    shared = holding(
        PixelMeasuresSequence=Sequence([holding(PixelSpacing=list(spacing), SliceThickness=9)]),
        PlaneOrientationSequence=Sequence(
            [holding(ImageOrientationPatient=[f"{part:.8g}" for part in orientation])]
        ),
    )
    whole = holding(
        SOPClassUID=EnhancedMRImageStorage,
        SOPInstanceUID="1.2.3.1",
        SeriesInstanceUID="1.2.3",
        Modality="MR",
        ImageType=["ORIGINAL", "PRIMARY", "T1", "NONE"],
        PatientName="DOE^JOHN",
        Rows=voxels.shape[1],
        Columns=voxels.shape[2],
        NumberOfFrames=len(voxels),
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(groups),
        PixelData=voxels.astype("<u2").tobytes(),
    )
    for name, value in changes.items():
        setattr(whole, name, value)
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    whole.file_meta.MediaStorageSOPInstanceUID = "1.2.3.1"
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, whole, enforce_file_format=True)
    return path
