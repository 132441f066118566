# ice and irdma for OpenShift, where KMM sets DTK_AUTO to the driver toolkit of the node's release.
ARG DTK_AUTO
ARG ICE_VERSION
ARG IRDMA_VERSION

# KMM builds without a context, so the sources come in images of their own.
FROM registry.example.com/sources/ice:${ICE_VERSION} AS ice
FROM registry.example.com/sources/irdma:${IRDMA_VERSION} AS irdma

FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
COPY --from=ice /src /build/ice
COPY --from=irdma /src /build/irdma
# irdma is built against the symbols of this ice, not of the kernel's own.
RUN make -C /lib/modules/${KERNEL_FULL_VERSION}/build M=/build/ice/src modules \
 && make -C /lib/modules/${KERNEL_FULL_VERSION}/build M=/build/irdma/src \
    KBUILD_EXTRA_SYMBOLS=/build/ice/src/Module.symvers modules

FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /build/ice/src/ice.ko /build/irdma/src/irdma.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/updates/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
