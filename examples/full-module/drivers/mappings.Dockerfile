# acme_raid for kernels with pages of 64 KiB.
ARG KERNEL_FULL_VERSION
ARG RAID_VERSION
FROM registry.example.com/sources/acme-raid:${RAID_VERSION} AS source
FROM registry.example.com/build/kernel-devel:9.6-64k AS build
ARG KERNEL_FULL_VERSION
COPY --from=source /src /src
RUN make -C /usr/src/kernels/${KERNEL_FULL_VERSION} M=/src LICENCE=/run/secrets/compiler-licence/key modules

FROM registry.example.com/base/minimal:9.6
ARG KERNEL_FULL_VERSION
COPY --from=build /src/acme_raid.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/extra/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
