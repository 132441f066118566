# acme_nic and acme_bus, with the firmware of the card.
ARG KERNEL_FULL_VERSION
ARG NIC_VERSION
FROM registry.example.com/sources/acme-nic:${NIC_VERSION} AS source
FROM registry.example.com/build/kernel-devel:${KERNEL_FULL_VERSION} AS build
ARG KERNEL_FULL_VERSION
ARG OPTIMISE
COPY --from=source /src /src
RUN make -C /usr/src/kernels/${KERNEL_FULL_VERSION} M=/src OPTIMISE=${OPTIMISE} modules

FROM registry.example.com/base/minimal:9.6
ARG KERNEL_FULL_VERSION
COPY --from=build /src/acme_bus.ko /src/acme_nic.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/extra/
COPY --from=source /firmware /firmware
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
