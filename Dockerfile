# SPDX-License-Identifier: MIT
# iommucheck on Debian 12:
#   docker build -t iommucheck . && docker run --rm -v "$PWD:/work" iommucheck check --driver ./mine.so
FROM debian:12 AS build
COPY . /iommucheck
RUN apt-get update && apt-get install -y --no-install-recommends dpkg-dev file && /iommucheck/dev package /package

FROM debian:12
COPY --from=build /package/*.deb /tmp/iommucheck.deb
# clang-19 for `iommucheck cc`; a C compiler for devices and backends.
RUN apt-get update && apt-get install -y --no-install-recommends /tmp/iommucheck.deb clang-19 gcc libc6-dev && \
    rm -rf /tmp/iommucheck.deb /var/lib/apt/lists/*
WORKDIR /work
ENTRYPOINT ["iommucheck"]
CMD ["--help"]
