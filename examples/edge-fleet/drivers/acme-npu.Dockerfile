# acme_npu for the core clusters.
ARG KERNEL_FULL_VERSION
FROM registry.example.com/build/kernel-devel:${KERNEL_FULL_VERSION} AS build
ARG KERNEL_FULL_VERSION
ARG NPU_VERSION
WORKDIR /src
# KMM mounts the Secret acme-sources here, for the build alone.
RUN curl --fail --silent --show-error --header "Authorization: Bearer $(cat /run/secrets/acme-sources/token)" \
    --output npu.tar.gz https://sources.acme.example/npu-${NPU_VERSION}.tar.gz \
 && tar --extract --gzip --strip-components 1 --file npu.tar.gz
RUN make -C /usr/src/kernels/${KERNEL_FULL_VERSION} M=/src modules

FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /src/acme_npu.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/extra/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
