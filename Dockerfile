# docker build --tag lesionseg --build-arg PIP_EXTRA_INDEX_URL=INDEX_OF_CPU_TORCH .
# docker build --tag lesionseg:cuda --build-arg VARIANT=cuda .
# docker build --tag lesionseg-bids --target bids ...
# How they are run: docs/how_to/containers.md
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG VARIANT=cpu
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_INDEX
COPY . /source
RUN sh /source/containers/install /source /opt/lesionseg ${VARIANT}

FROM ${BASE} AS run
COPY --from=build /opt/lesionseg /opt/lesionseg
RUN mkdir /work
# Nothing is written but into mounted folders and /tmp. LOGNAME: MONAI asks for the user's name, and a user
# id that is given with --user has none.
ENV PATH=/opt/lesionseg/bin:$PATH \
    HOME=/tmp \
    LOGNAME=lesionseg \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /work
USER 10001:10001

FROM run AS bids
ENTRYPOINT ["lesionseg-bids"]
CMD ["--help"]

FROM run AS lesionseg
ENTRYPOINT ["lesionseg"]
CMD ["--help"]
