# tools/ingot.gdb - gdb commands for a machine in QEMU. `make debug APP=...` loads it; by hand:
#     GDB=wait tools/run.sh IMAGE &   gdb -x tools/ingot.gdb -ex 'target remote :1234' IMAGE
# Then: b main, c; start-main, cores, bt-all, here. Cores are gdb's threads: `thread 2` looks at the second one.
set pagination off
set confirm off
set print pretty on
set disassemble-next-line off
set architecture i386:x86-64

define cores
    info threads
end
document cores
Where each core is: its current function.
end

define bt-all
    thread apply all backtrace
end
document bt-all
The stack of what each core runs.
end

define here
    printf "cpu %d  rip ", (int)$_thread - 1
    output/a $rip
    printf "  rsp %#lx  gs base %#lx  cr2 %#lx\n", $rsp, $gs_base, $cr2
    x/6i $rip
end
document here
Registers that matter, and the next instructions.
end

define start-main
    thbreak main
    continue
end
document start-main
Run until main() of the program begins. (Hardware breakpoint: it works before paging is on.)
end

echo Ingot: `start-main` runs to main; `cores`, `bt-all`, `here` look around; Ctrl-C stops, `kill` ends.\n
