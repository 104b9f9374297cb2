# syntax=docker/dockerfile:1
# The daemon in an image of its own: built with the whole toolchain, run with Swift's runtime libraries only.
#
#   docker build -t roost .
#   docker run -d -p 127.0.0.1:8080:8080 -v roost-data:/data --read-only --cap-drop ALL roost

FROM swift:6.3-bookworm AS build
# The distribution's security updates are worth more than a version that is gone next month.
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends libhiredis-dev \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/src/.build,sharing=locked \
  swift build -c release --product roost \
  && strip -o /usr/local/bin/roost .build/release/roost

FROM swift:6.3-bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
  && apt-get install -y --no-install-recommends libhiredis0.14 \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 10001 roost \
  && useradd --uid 10001 --gid roost --home-dir /data --no-create-home --shell /usr/sbin/nologin roost \
  && install -d -o roost -g roost -m 0700 /data
COPY --from=build /usr/local/bin/roost /usr/local/bin/roost

# Nothing is written but here: run it with a read-only root. The volume must honour fsync.
VOLUME /data
WORKDIR /data
# Inside of a container every interface is the container's own. Publish the port on loopback, or give TLS_CERT and
# TLS_KEY, or put a TLS proxy in front.
ENV WAL_DIR=/data HOST=0.0.0.0 PORT=8080 ALLOW_PLAINTEXT=true
EXPOSE 8080
USER 10001:10001

# Whether the process answers, not whether it is ready: a full disk is no reason to restart it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["roost", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["roost"]
CMD ["serve"]
