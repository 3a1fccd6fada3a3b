"""RT structure sets, written with pydicom corner by corner."""

from __future__ import annotations

import pydicom
from enhanced_dicoms import holding
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage


def write_structures(path, structures, *, kind="CLOSED_PLANAR"):
    """structures: name -> outlines, each (N, 3) corners in mm LPS, or (kind, corners)."""
    named, drawn = [], []
    for number, (name, outlines) in enumerate(structures.items(), 1):
        named.append(holding(ROINumber=number, ROIName=name))
        contours = []
        for outline in outlines:
            what, corners = outline if isinstance(outline, tuple) else (kind, outline)
            contours.append(
                holding(
                    ContourGeometricType=what,
                    NumberOfContourPoints=len(corners),
                    ContourData=[f"{mm:.3f}" for corner in corners for mm in corner],
                )
            )
        drawn.append(holding(ReferencedROINumber=number, ContourSequence=Sequence(contours)))
    whole = holding(
        SOPClassUID=RTStructureSetStorage,
        SOPInstanceUID="1.2.3.7",
        PatientName="DOE^JOHN",
        StructureSetROISequence=Sequence(named),
        ROIContourSequence=Sequence(drawn),
    )
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    whole.file_meta.MediaStorageSOPClassUID = RTStructureSetStorage
    whole.file_meta.MediaStorageSOPInstanceUID = "1.2.3.7"
    pydicom.dcmwrite(path, whole, enforce_file_format=True)
    return path
