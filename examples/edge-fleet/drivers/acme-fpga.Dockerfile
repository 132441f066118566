# acme_fpga, for kernels that build it as it is.
ARG DTK_AUTO
ARG FPGA_VERSION
FROM registry.example.com/sources/acme-fpga:${FPGA_VERSION} AS source

FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
ARG MAKE_FLAGS
COPY --from=source /src /src
RUN make -C /lib/modules/${KERNEL_FULL_VERSION}/build M=/src ${MAKE_FLAGS} modules

FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /src/acme_fpga.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/extra/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
