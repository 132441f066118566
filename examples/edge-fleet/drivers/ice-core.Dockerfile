# ice and irdma for the core clusters: the same sources, built with the kernel headers of Red Hat Enterprise Linux.
ARG ICE_VERSION
ARG IRDMA_VERSION
ARG KERNEL_FULL_VERSION

FROM registry.example.com/sources/ice:${ICE_VERSION} AS ice
FROM registry.example.com/sources/irdma:${IRDMA_VERSION} AS irdma

# Our own image, one tag a kernel: compiler, make and kernel-devel.
FROM registry.example.com/build/kernel-devel:${KERNEL_FULL_VERSION} AS build
ARG KERNEL_FULL_VERSION
COPY --from=ice /src /build/ice
COPY --from=irdma /src /build/irdma
RUN make -C /usr/src/kernels/${KERNEL_FULL_VERSION} M=/build/ice/src modules \
 && make -C /usr/src/kernels/${KERNEL_FULL_VERSION} M=/build/irdma/src \
    KBUILD_EXTRA_SYMBOLS=/build/ice/src/Module.symvers modules

FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /build/ice/src/ice.ko /build/irdma/src/irdma.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/updates/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
