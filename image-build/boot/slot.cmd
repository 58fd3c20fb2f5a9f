# The part of the boot that belongs to a slot, updated with it: kernel, initial RAM disk, device tree, command line. The frozen
# selector (boot.scr on FAT) has set devtype, devnum, part, slot, extra_args, and m for the start of the memory.
# Neither a kernel that panics nor a service manager that crashes may stay that way: both restart. No rootwait: the
# initial RAM disk waits 30 s for a slow card; if that disk is broken, the kernel must panic instead of waiting for
# ever.
part uuid ${devtype} ${devnum}:${part} root
setenv bootargs "root=PARTUUID=${root} ro rauc.slot=${slot} panic=10 loglevel=4 fsck.repair=yes net.ifnames=0 systemd.getty_auto=no systemd.crash_action=reboot"
if test "${devtype}" = mmc; then
  setenv bootargs "${bootargs} console=ttyS1,115200"
  setenv fdt ${m}b000000
  load ${devtype} ${devnum}:${part} ${fdt} /boot/dtb/${fdtfile} || setenv fdt ${fdt_addr}
else
  # The emulated board: its device tree comes from QEMU. gpio_keys would occupy our button.
  setenv bootargs "${bootargs} console=ttyAMA0,115200 modprobe.blacklist=gpio_keys"
  setenv fdt ${fdtcontroladdr}
fi
setenv bootargs "${bootargs} ${extra_args}"
if load ${devtype} ${devnum}:${part} ${m}8000000 /boot/vmlinuz; then
  if load ${devtype} ${devnum}:${part} ${m}c000000 /boot/initrd.img; then
    booti ${m}8000000 ${m}c000000:${filesize} ${fdt}
  fi
fi
