# acme_crypto, built with the driver toolkit that KMM puts into DTK_AUTO.
ARG DTK_AUTO
ARG CRYPTO_VERSION
FROM registry.example.com/sources/acme-crypto:${CRYPTO_VERSION} AS source
FROM ${DTK_AUTO} AS build
ARG KERNEL_FULL_VERSION
COPY --from=source /src /src
RUN make -C /lib/modules/${KERNEL_FULL_VERSION}/build M=/src modules

FROM registry.example.com/base/minimal:9.6
ARG KERNEL_FULL_VERSION
COPY --from=build /src/acme_crypto.ko /opt/lib/modules/${KERNEL_FULL_VERSION}/extra/
RUN depmod -b /opt ${KERNEL_FULL_VERSION}
