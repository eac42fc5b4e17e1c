# Make the account that deploys what it has to be, as root; what is so already stays untouched.
# Python puts assignments before this text (torchrack/onboard/admin.py):
#   admin      the account
#   key        its public key, as a line of authorized_keys
#   blob       the key's own data in it
#   group      the group that a hardened sshd lets in
#   sudoers    the sudoers file that the stage base will want
#   line       the line of it that matters
#   add_keys   a script that adds the lines of its input to the authorized_keys of user $2 in home $1
#   dry        1 to look only
# Prints "did<TAB>sentence" for each change, "failed<TAB>found<TAB>fix" where it can't go on, "end".
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 022
did() { printf 'did\t%s\n' "$1"; [ "$dry" = 0 ]; }
fail() { printf 'failed\t%s\t%s\n' "$(printf %s "$1" | tr '\t\n' '  ')" "$2"; exit 0; }
attempt() { out=$("$@" 2>&1) || fail "$1: $(echo "$out" | tail -n 3)" "see why on the server (full disk? a lock on /etc/passwd?)"; }

# What nobody but the server's owner may settle comes first: nothing is half done then.
entry=$(getent passwd -- "$admin")
home=$(printf %s "$entry" | cut -d: -f6)
if [ -n "$entry" ]; then
    [ "$(id -u -- "$admin")" != 0 ] || fail "the account $admin has root's uid" "name another admin (--admin)"
    shell=$(printf %s "$entry" | cut -d: -f7)
    case ${shell##*/} in
        nologin | false | true | git-shell | rbash)
            fail "the account $admin exists, with the shell $shell" "name another admin (--admin), or give it a shell (usermod -s /bin/bash $admin)" ;;
    esac
    [ -d "$home" ] || fail "the account $admin exists, without its home $home" "name another admin (--admin), or make the home (mkhomedir_helper $admin)"
fi
# sshd -T needs this directory, which a socket-activated sshd makes at its first connection only.
if [ -d /run/sshd ] && effective=$(sshd -T -C "user=$admin,host=localhost,addr=127.0.0.1" 2>/dev/null); then
    option() { printf '%s\n' "$effective" | sed -n "s/^$1 //p"; }
    listed() { # whether one of the patterns on standard input stands for the word $1
        while read -r patterns; do
            set -f
            for pattern in $patterns; do
                # shellcheck disable=SC2254
                case $1 in ${pattern%%@*}) return 0 ;; esac
            done
        done
        return 1
    }
    [ "$(option pubkeyauthentication)" != no ] ||
        fail "an sshd that accepts no keys (PubkeyAuthentication no)" "turn it on in /etc/ssh/sshd_config, and reload ssh"
    case $(option authorizedkeysfile) in
        *.ssh/authorized_keys* | '') ;;
        *) fail "an sshd that reads keys from $(option authorizedkeysfile)" "let it read .ssh/authorized_keys (AuthorizedKeysFile), and reload ssh" ;;
    esac
    ! option denyusers | listed "$admin" || fail "an sshd that refuses $admin (DenyUsers)" "take it out in /etc/ssh/sshd_config, and reload ssh"
    if [ -n "$(option allowusers)" ] && ! option allowusers | listed "$admin"; then
        fail "an sshd that lets only $(option allowusers | tr '\n' ' ')in (AllowUsers)" "add $admin there, and reload ssh"
    fi
    if [ -n "$(option allowgroups)" ]; then
        allowed=0
        for one in $(id -nG -- "$admin" 2>/dev/null); do
            ! option allowgroups | listed "$one" || allowed=1
        done
        if [ "$allowed" = 0 ]; then
            option allowgroups | listed "$group" || fail "an sshd that lets only the groups $(option allowgroups | tr '\n' ' ')in (AllowGroups)" "add $group there, and reload ssh"
            join=$group
        fi
    fi
fi

if ! command -v visudo >/dev/null && did "installed sudo"; then
    install_sudo() { apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends sudo; }
    install_sudo >/dev/null 2>&1 || { apt-get -q -o DPkg::Lock::Timeout=120 update >/dev/null 2>&1; attempt install_sudo; }
fi
if [ -z "$entry" ] && did "made the account $admin, without a password"; then
    getent group -- "$admin" >/dev/null && set -- -g "$admin" || set -- --user-group
    # "*" is no password, as "!" is, but does not lock the account for an sshd without PAM. The days
    # are none: an ageing password that nobody has would shut the account.
    attempt useradd --create-home --shell /bin/bash --comment "Torchrack deploys" --password '*' \
        -K PASS_MAX_DAYS=-1 -K PASS_MIN_DAYS=0 --expiredate '' --inactive -1 "$@" -- "$admin"
    home=$(getent passwd -- "$admin" | cut -d: -f6)
fi
if [ -n "${join:-}" ] && did "made $admin a member of $join"; then
    getent group -- "$join" >/dev/null || attempt groupadd --system -- "$join"
    attempt usermod -aG "$join" -- "$admin"
fi

if ! grep -v '^[[:space:]]*#' "${home:-/nowhere}/.ssh/authorized_keys" 2>/dev/null | grep -qF -- "$blob" &&
    did "gave $admin the key"; then
    # A shell of its own: one whose status is looked at goes on after an error, also with set -e.
    put_key() { printf '%s\n' "$key" | ( umask 077 && exec sh -euc "$add_keys" sh "$home" "$admin" ); }
    attempt put_key
fi
# sshd's StrictModes refuses keys that others could have written.
for path in ${home:+"$home" "$home/.ssh" "$home/.ssh/authorized_keys"}; do
    [ -e "$path" ] || continue
    [ "$path" = "$home" ] && bits=022 || bits=077
    case $(stat -Lc %U -- "$path") in "$admin" | root) ;; *) ! did "gave $admin its $path" || attempt chown -- "$admin" "$path" ;; esac
    [ -z "$(find -L "$path" -maxdepth 0 -perm /$bits)" ] || ! did "closed $path to others" ||
        case $bits in 022) attempt chmod go-w -- "$path" ;; *) attempt chmod go= -- "$path" ;; esac
done

dest=/etc/sudoers.d/90-torchrack
if ! grep -qxF -- "$line" "$dest" 2>/dev/null || [ "$(stat -c %a:%u:%g "$dest")" != 440:0:0 ]; then
    if did "let $admin run sudo without a password"; then
        [ -d "${dest%/*}" ] || attempt install -d -m 0750 "${dest%/*}"
        tmp=$(mktemp "${dest%/*}/.90-torchrack.XXXXXX") || fail "no file could be made in ${dest%/*}" "see whether the disk is full"
        trap 'rm -f -- "$tmp"' EXIT
        {
            if [ -e "$dest" ]; then
                cat "$dest" && { grep -qxF -- "$line" "$dest" || printf '%s\n' "$line"; }
            else
                printf '%s' "$sudoers"
            fi
        } >"$tmp" || fail "${dest%/*} can't be written" "see whether the disk is full"
        attempt chmod 0440 "$tmp"
        attempt visudo -cqf "$tmp"
        attempt mv -fT -- "$tmp" "$dest"
    fi
fi
echo end
