# facecli serve: page and REST on port 5000, models inside, no TensorFlow.
#   docker build -t facecli . && docker run -p 127.0.0.1:5000:5000 facecli
# docs/serve.md tells the rest; docker/rehearse.py takes these steps without an engine.

FROM python:3.11-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY setup.py pyproject.toml MANIFEST.in README.md LICENSE Pipfile environment.yml ./
COPY xml ./xml
COPY saved_model ./saved_model
COPY src ./src
RUN python -m pip wheel --no-deps --wheel-dir /build/wheels .
RUN python -m venv /opt/facecli
RUN wheel="$(ls /build/wheels/facecli-*.whl)" && /opt/facecli/bin/python -m pip install "$wheel[web]"
# Nobody opens a window here. The build of OpenCV without windows is the same code under another name;
# the usual one needs Mesa and LLVM, 200 MB of them. `pip check` knows only names, and is wrong about this.
RUN version="$(/opt/facecli/bin/python -c 'import importlib.metadata as m; print(m.version("opencv-python"))')" \
    && /opt/facecli/bin/python -m pip uninstall --yes opencv-python \
    && /opt/facecli/bin/python -m pip install --no-deps "opencv-python-headless==$version"
# No clip is read or written here: 104 MB less, and no encoders under the GPL.
RUN /opt/facecli/bin/python -m pip uninstall --yes av
RUN /opt/facecli/bin/python -m pip uninstall --yes pip setuptools

FROM python:3.11-slim
# A folder that may be mounted: models of one's own are looked for in /models/saved_model.
ENV PATH=/opt/facecli/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/nonexistent \
    FACECLI_HOME=/models \
    FACECLI_PORT=5000
COPY --from=builder /opt/facecli /opt/facecli
COPY docker/entrypoint.sh docker/healthcheck.py /opt/facecli/
RUN facecli --version
USER 10001:10001
WORKDIR /
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "/opt/facecli/healthcheck.py"]
ENTRYPOINT ["/bin/sh", "/opt/facecli/entrypoint.sh"]
