# vqld, vqlctl and vqlbench in a small image, from Debian's packages alone.
#
#   docker build -t vql .
#   docker run -v ./models:/models:ro -p 127.0.0.1:7070:7070 vql
#
# BASE      the image to begin with; name it by digest for a build that is the same for ever
# SNAPSHOT  20261101T000000Z: packages from snapshot.debian.org as they were then
# PINS      strict: packages have the versions of deploy/docker/pins, or the build fails;
#           off: the newest there are. deploy/docker/update-pins writes the file anew
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS packages
ARG SNAPSHOT=
ARG PINS=strict
COPY deploy/docker/pins deploy/docker/package-sources /pins/
RUN /pins/package-sources "$SNAPSHOT" "$PINS"

FROM packages AS builder
WORKDIR /vql
COPY scripts/install-deps scripts/
COPY deploy/docker/check-pins deploy/docker/
ARG PINS=strict
RUN scripts/install-deps package && deploy/docker/check-pins "$PINS"
COPY . .
RUN cmake --preset package && cmake --build --preset package --parallel
RUN cmake --build --preset package --target package

FROM packages
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vql" \
      org.opencontainers.image.description="Online scoring over whole user histories" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"
# Numbers that a pod's security context can name.
RUN groupadd --system --gid 990 vql && \
    useradd --system --uid 990 --gid vql --home-dir /var/lib/vql --shell /usr/sbin/nologin vql
RUN --mount=type=bind,from=builder,source=/vql/build-package,target=/packages \
    apt-get update && \
    apt-get install --yes --no-install-recommends /packages/vql_*.deb && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /pins && \
    install --directory --owner=vql --group=vql --mode=0750 /models
USER 990:990
WORKDIR /var/lib/vql
VOLUME /var/lib/vql
EXPOSE 7070 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10m --retries=3 \
    CMD ["vqlctl", "health", "--deadline", "2000"]
ENTRYPOINT ["vqld"]
CMD ["--model", "/models", "--listen", "0.0.0.0:7070", "--store", "rocksdb:/var/lib/vql/store"]
