# The two commands of the README in a container, with results in the folder that is mounted:
#   docker build -t aigc-market-env .
#   docker run --rm -v "$PWD/runs:/aigc-market-env/runs" aigc-market-env make train
#   docker run --rm aigc-market-env make test
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /aigc-market-env
COPY . .
RUN make .venv/.installed
CMD ["make", "train"]
