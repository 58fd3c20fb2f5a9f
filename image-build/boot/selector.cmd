# The frozen selector: boot.scr on the FAT partition, run by U-Boot. It chooses the slot, counts the try, and runs
# the script of the slot. An update never changes it, so it knows as little as possible.
#
# The boot state is two records of 512 bytes in front of the first partition, at 1 MiB and 2 MiB, each with its
# checksum (`env import -c`); the one with the higher number counts, the other is written next. Values (hex):
#   dp_seq  number of the record    dp_first  slot wanted: a or b    dp_good  slot proven last
#   dp_left_a, dp_left_b  tries left. firmware/dialpost/core/system/boot/state.py is the same in Python.

# A Pi has its memory at 0, the emulated board at 0x40000000; the same offsets work for both. The addresses that
# U-Boot would choose would put the device tree into the kernel.
if test -z "${devtype}"; then setenv devtype mmc; fi
if test -z "${devnum}"; then setenv devnum 0; fi
if test "${devtype}" = mmc; then setenv m 0x; else setenv m 0x4; fi
${devtype} dev ${devnum}

setenv dp_seq 0; setenv seq_1 0; setenv seq_2 0
if ${devtype} read ${m}7000000 0x800 1; then
  if env import -c ${m}7000000 0x200 dp_seq dp_first dp_good dp_left_a dp_left_b; then setenv seq_1 ${dp_seq}; fi
fi
setenv dp_seq 0
if ${devtype} read ${m}7000200 0x1000 1; then
  if env import -c ${m}7000200 0x200 dp_seq dp_first dp_good dp_left_a dp_left_b; then setenv seq_2 ${dp_seq}; fi
fi
setenv dp_seq ${seq_2}
if test 0x${seq_1} -gt 0x${seq_2}; then
  env import -c ${m}7000000 0x200 dp_seq dp_first dp_good dp_left_a dp_left_b
fi
if test "${seq_1}${seq_2}" = 00; then
  echo "dialpost: no boot state can be read; slot a, then b"
  setenv dp_first a; setenv dp_good a; setenv dp_left_a 1; setenv dp_left_b 1
fi

# No loops anywhere here: after a Ctrl-C on the serial line U-Boot leaves each at its head, and continues after it.
setenv slot none
if test "${dp_first}" = b; then
  if test 0x${dp_left_b} -gt 0; then setenv slot b; elif test 0x${dp_left_a} -gt 0; then setenv slot a; fi
else
  if test 0x${dp_left_a} -gt 0; then setenv slot a; elif test 0x${dp_left_b} -gt 0; then setenv slot b; fi
fi
if test "${slot}" = none; then
  echo "dialpost: no tries left; the slot proven last, uncounted"
  if test "${dp_good}" = b; then setenv slot b; else setenv slot a; fi
else
  if test "${slot}" = a; then setenv left_now ${dp_left_a}; else setenv left_now ${dp_left_b}; fi
  setexpr left_now ${left_now} - 1
  if test "${slot}" = a; then setenv dp_left_a ${left_now}; else setenv dp_left_b ${left_now}; fi
  setexpr dp_seq ${dp_seq} + 1
  setexpr odd ${dp_seq} \& 1
  if test "${odd}" = 1; then setenv place 0x1000; else setenv place 0x800; fi
  env export -c -s 0x200 ${m}7000400 dp_seq dp_first dp_good dp_left_a dp_left_b
  ${devtype} write ${m}7000400 ${place} 1
fi

# Kernel arguments written by an operator: extra_args=... in args.txt on the FAT partition.
setenv extra_args
if load ${devtype} ${devnum}:1 ${m}7001000 args.txt; then env import -t ${m}7001000 ${filesize} extra_args; fi

# If the files of a slot cannot be loaded, the other slot is started immediately; one that starts and fails is reset by
# the watchdog, or by its own panic, and its tries run out.
if test "${slot}" = a; then
  setenv part 2; setenv other b; setenv other_part 3
else
  setenv part 3; setenv other a; setenv other_part 2
fi
echo "dialpost: slot ${slot}"
if load ${devtype} ${devnum}:${part} ${m}6000000 /boot/slot.scr; then source ${m}6000000; fi
echo "dialpost: slot ${slot} cannot be started"
setenv slot ${other}; setenv part ${other_part}
echo "dialpost: slot ${slot}"
if load ${devtype} ${devnum}:${part} ${m}6000000 /boot/slot.scr; then source ${m}6000000; fi
echo "dialpost: slot ${slot} cannot be started"
reset
