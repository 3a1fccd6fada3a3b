"""MetaImage and NRRD, read by SimpleITK in a child process."""
