# The processes of fsctl. FreeSWITCH runs beside it, Postgres where you like (FSCTL_DATABASE_URL); without one the
# embedded Postgres is used, as an account without rights.
FROM python:3.13-slim

RUN useradd --create-home fsctl && install -d -o fsctl /var/lib/fsctl /var/spool/fsctl
COPY . /src
RUN pip install --no-cache-dir '/src[websocket,store]' && rm -rf /src

USER fsctl
WORKDIR /var/lib/fsctl
ENV FSCTL_DATA_DIR=/var/lib/fsctl
ENTRYPOINT ["fsctl"]
CMD ["run"]
