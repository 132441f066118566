# acme_fpga for 9.2, with the compatibility layer in front of the kernel's own headers.
ARG DTK_AUTO
ARG FPGA_VERSION
ARG COMPAT_VERSION
FROM registry.example.com/sources/acme-fpga:${FPGA_VERSION} AS source
FROM registry.example.com/sources/acme-compat:${COMPAT_VERSION} AS compat

FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
COPY --from=source /src /src
COPY --from=compat /src /src/compat
RUN cd /src \
 && patch --strip 1 --input compat/acme-fpga.patch
RUN make -C /lib/modules/${KERNEL_FULL_VERSION}/build M=/src EXTRA_CFLAGS=-I/src/compat/include modules

FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /src/acme_fpga.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/extra/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
