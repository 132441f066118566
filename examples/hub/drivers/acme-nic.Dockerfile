# KMM looks for the name DTK_AUTO in this file and sets it to the driver toolkit of the node's OpenShift release: an
# image with the compiler and the kernel headers that fit.
ARG DTK_AUTO
FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
ARG NIC_VERSION
WORKDIR /src
RUN git init --quiet . \
 && git fetch --quiet --depth 1 https://git.example.com/acme/acme-nic.git ${NIC_VERSION} \
 && git checkout --quiet FETCH_HEAD
RUN make all KVER=${KERNEL_FULL_VERSION}

# KMM copies the modules out of this image with sh, mkdir and cp, so it cannot be empty otherwise.
FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /src/acme_nic.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
