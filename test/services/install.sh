#!/bin/sh
# Installs the servers the tests start, from Debian's packages, when one is missing. They are not started as services of the machine.
set -eu
missing=''
[ -x /usr/sbin/sshd ] && command -v ssh-keygen >/dev/null || missing="$missing openssh-server openssh-client"
ls /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server >/dev/null 2>&1 || missing="$missing rabbitmq-server"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
[ -x /usr/sbin/vsftpd ] || missing="$missing vsftpd"
command -v gpg >/dev/null || missing="$missing gnupg"
[ -x /usr/bin/odbcinst ] && ls /usr/lib/*/odbc/psqlodbcw.so >/dev/null 2>&1 || missing="$missing unixodbc odbcinst odbc-postgresql"
ls /usr/lib/*/odbc/libsqlite3odbc*.so >/dev/null 2>&1 || missing="$missing libsqliteodbc"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need these Debian packages:$missing" >&2
  echo "Install them, or run the tests once as root on Debian or Ubuntu." >&2
  exit 1
fi
echo "installing for the tests:$missing" >&2
# A policy of "do not start" keeps the packages from starting servers on their default ports.
policy=/usr/sbin/policy-rc.d
made=''
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' > $policy
  chmod +x $policy
  made=1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null
[ -z "$made" ] || rm -f $policy
