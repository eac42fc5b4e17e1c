# What a server is made of, in one go, as root. It changes nothing, and no tool has to be there.
# Sections start with "==NAME"; in them a line is "key=value", or fields separated by tabs.
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
tab=$(printf '\t')
# The first file that can be read and says something, on one line.
first() {
    for f; do
        v=$(head -c 300 "$f" 2>/dev/null | tr -s '\0\t\n ' '   ') && v=${v# } && v=${v% }
        [ -z "$v" ] || { printf %s "$v"; return; }
    done
}
ask() { command -v "$1" >/dev/null 2>&1 && timeout -k 2 20 "$@" 2>/dev/null; }

echo ==dmi
for f in sys_vendor product_name product_version product_serial chassis_serial board_vendor board_name \
    bios_vendor bios_version bios_date; do
    echo "$f=$(first "/sys/class/dmi/id/$f")"
done
if [ -d /sys/firmware/efi ]; then echo boot=UEFI; elif [ -d /sys/firmware/acpi ]; then echo boot=BIOS; fi
echo "virtual=$(ask systemd-detect-virt)"
# Device trees stand where a machine has no SMBIOS.
echo "model=$(first /sys/firmware/devicetree/base/model)"
echo "devicetree_serial=$(first /sys/firmware/devicetree/base/serial-number)"

echo ==bmc
echo "sysfs_firmware=$(first /sys/devices/platform/ipmi_bmc.*/firmware_revision)"
for device in /dev/ipmi0 /dev/ipmi/0 /dev/ipmidev/0; do
    [ -e "$device" ] || continue
    # The channel of the management LAN is 1, on some machines 8.
    for channel in 1 8 2 3; do
        lan=$(ask ipmitool lan print "$channel") || continue
        printf '%s\n' "$lan" | grep -q '^IP Address  *: *[1-9]' || continue
        printf '%s\n' "$lan" | sed 's/^/lan /'
        break
    done
    ask ipmitool mc info | sed 's/^/mc /'
    break
done

echo ==system
[ ! -r /etc/os-release ] || (. /etc/os-release && echo "system=${PRETTY_NAME:-}")
echo "kernel=$(uname -r)"
sed -n 's/^MemTotal: *\([0-9]*\) kB/memory_kib=\1/p' /proc/meminfo

echo ==cpu
ask lscpu

echo ==disks
for d in /sys/block/*; do
    # What a driver has no device for (loop, zram, dm) is no disk of the machine.
    [ -e "$d/device" ] && [ "$(first "$d/hidden")" != 1 ] || continue
    name=${d##*/}
    echo "sysfs$tab$name$tab$(first "$d/device/model")$tab$(first "$d/device/serial" "$d/serial")$tab$(
        first "$d/device/firmware_rev" "$d/device/rev")$tab$(first "$d/queue/rotational")$tab$(
        first "$d/size")$tab$(first "$d/device/vendor")$tab$(readlink -f "$d")"
    # sysfs cuts the model and revision of an ATA disk short, and has its serial number only in binary.
    ask udevadm info --query=property --name="/dev/$name" |
        sed -n "s/^\(ID_BUS\|ID_MODEL\|ID_REVISION\|ID_SERIAL_SHORT\|ID_SCSI_SERIAL\)=/udev$tab$name$tab\1$tab/p"
done

echo ==nics
driver() { [ ! -e "$d/device/driver" ] || basename "$(readlink -f "$d/device/driver")"; }
for d in /sys/class/net/*; do
    [ -e "$d/device" ] || continue
    name=${d##*/}
    # The slave of a bond shows the bond's address; its own is remembered beside it.
    echo "net$tab$name$tab$(first "$d/bonding_slave/perm_hwaddr" "$d/address")$tab$(readlink -f "$d/device")$tab$(driver)$tab$(
        first "$d/device"/infiniband/*/fw_ver)$tab$(first "$d/speed")$tab$(first "$d/operstate")"
    ask ethtool -i "$name" | sed "s/^/ethtool$tab$name$tab/"
done
for d in /sys/class/infiniband/*; do
    # One that has a network interface of its own was told already.
    [ -e "$d/device" ] && [ ! -e "$d/device/net" ] || continue
    echo "ib$tab${d##*/}$tab$(first "$d/node_guid")$tab$(readlink -f "$d/device")$tab$(driver)$tab$(
        first "$d/fw_ver")$tab$(first "$d/ports/1/rate")$tab$(first "$d/ports/1/state")"
done

echo ==pci
for d in /sys/bus/pci/devices/*; do
    read -r vendor <"$d/vendor" && read -r class <"$d/class" && read -r device <"$d/device" || continue
    case $vendor/$class in 0x10de/0x03*) echo "${d##*/}$tab$device" ;; esac
done 2>/dev/null

echo ==smi
if command -v nvidia-smi >/dev/null; then
    timeout -k 2 60 $smi_query 2>/dev/null
    echo "==rc $?"
fi
echo ==end
