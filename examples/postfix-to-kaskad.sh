#!/bin/sh
# Hands one mail from Postfix to Kaskad: postfix-to-kaskad.sh https://k.example.org/hooks/<account> < mail
# Called by a pipe(8) service of master.cf for the bounce domain; docs/email.md has the whole setup.
status=$(curl --silent --show-error --max-time 60 --output /dev/null --write-out '%{http_code}' \
    --header 'Content-Type: message/rfc822' --data-binary @- "$1") || exit 75
case $status in
    2*) exit 0 ;;
    401 | 404 | 413) exit 0 ;; # not ours, or too big: dropped, because nobody should be told of it
    *) exit 75 ;;              # EX_TEMPFAIL: Postfix keeps the mail and tries again
esac
