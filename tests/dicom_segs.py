"""DICOM SEG files as highdicom writes them."""


def write_seg(highdicom, series, masks, path, **options):
    """masks: (slices from below, rows, columns) of segment numbers."""
    from pydicom import dcmread
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    sources = sorted(map(dcmread, series.glob("*.dcm")), key=lambda d: d.ImagePositionPatient[2])
    study = generate_uid()
    for source in sources:
        source.StudyInstanceUID, source.FrameOfReferenceUID = study, "1.2.9"
        for name in ("PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate"):
            setattr(source, name, "")
        for name in ("StudyTime", "AccessionNumber", "ReferringPhysicianName"):
            setattr(source, name, "")
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"lesion {number}",
            segmented_property_category=codes.cid7150.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number in range(1, int(masks.max()) + 1)
    ]
    settings = {
        "segmentation_type": highdicom.seg.SegmentationTypeValues.BINARY,
        "omit_empty_frames": True,
        **options,
    }
    seg = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=masks,
        segment_descriptions=described,
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="made",
        manufacturer_model_name="made",
        software_versions="1",
        device_serial_number="1",
        **settings,
    )
    seg.save_as(path)
    return path
