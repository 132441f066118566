# KMM looks for the name DTK_AUTO in this file and sets it to the driver toolkit of the node's OpenShift release: an
# image with the compiler and the kernel headers that fit.
ARG DTK_AUTO
FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
ARG KMOD_COMMIT
ARG KMOD_VERSION
WORKDIR /src
RUN git init --quiet . \
 && git fetch --quiet --depth 1 https://github.com/openshift-psap/simple-kmod.git ${KMOD_COMMIT} \
 && git checkout --quiet FETCH_HEAD
RUN make all KVER=${KERNEL_FULL_VERSION} KMODVER=${KMOD_VERSION}

# KMM copies the modules out of this image with sh, mkdir and cp, so it cannot be empty otherwise.
FROM registry.access.redhat.com/ubi9/ubi-minimal:9.6
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /src/simple-kmod.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
