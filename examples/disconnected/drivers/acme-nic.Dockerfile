# Images come by argument, so that a site can take them from its own registry.
ARG DTK_AUTO
ARG SOURCES
ARG RUNTIME=registry.access.redhat.com/ubi9/ubi-minimal:9.6
FROM ${SOURCES} AS sources

FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
COPY --from=sources /src /src
WORKDIR /src
RUN make KVER=${KERNEL_FULL_VERSION}

FROM ${RUNTIME}
ARG KERNEL_FULL_VERSION
RUN microdnf install --assumeyes kmod \
 && microdnf clean all
COPY --from=build /src/acme_nic.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
