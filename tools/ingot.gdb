# tools/ingot.gdb - gdb commands for a machine in QEMU. `make debug APP=...` loads it; by hand:
#     GDB=wait tools/run.sh IMAGE &   gdb -x tools/ingot.gdb -ex 'target remote :1234' IMAGE
# Cores are gdb's threads: `thread 2` looks at the second one. Goroutines are looked at by the commands below.
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

# ---- Goroutines: works at any stop; reads memory only ----

define info goroutines
    set $g = 'sched/goroutine.c'::all
    while $g
        if $g->state
            printf "%6lu  ", $g->id
            if $g->state == 1
                printf "runnable  "
            end
            if $g->state == 2
                printf "running  "
            end
            if $g->state == 3
                output (enum wait_reason)$g->wait_reason
                printf "  "
            end
            if $g->name
                printf " %s ", $g->name
            end
            if $g->entry_pc
                printf "  "
                output/a $g->entry_pc
            end
            if $g->system
                printf "  (of the runtime)"
            end
            printf "\n"
        end
        set $g = $g->all_next
    end
end
document info goroutines
All goroutines: number, state or what it waits for, name, the function it runs.
end

define goroutine-find
    set $found = 'sched/goroutine.c'::all
    while $found && ($found->id != $arg0 || !$found->state)
        set $found = $found->all_next
    end
end
document goroutine-find
goroutine-find N: set $found to goroutine N's struct, 0 if there is none.
end

define goroutine-bt
    goroutine-find $arg0
    if !$found
        printf "no goroutine %d\n", $arg0
    else
        if $found->state == 2
            printf "goroutine %d runs on a core: bt-all\n", $arg0
        else
            if $found->preempted
                set $w_pc = $found->frame->rip
                set $w_fp = $found->frame->rbp
            else
                set $w_pc = ((unsigned long *)$found->context.rsp)[0]
                set $w_fp = ((unsigned long *)$found->context.rsp)[6]
            end
            set $w_n = 0
            while $w_pc && $w_n < 64
                printf "#%-3d", $w_n
                info symbol $w_pc
                printf "    "
                info line *$w_pc
                set $w_n = $w_n + 1
                if $w_fp >= $found->stack_lo && $w_fp + 16 <= $found->stack_hi
                    set $w_pc = ((unsigned long *)$w_fp)[1]
                    set $w_fp = ((unsigned long *)$w_fp)[0]
                else
                    set $w_pc = 0
                end
            end
        end
    end
end
document goroutine-bt
goroutine-bt N: what `goroutine N bt` does.
end

define goroutine
    if $argc == 2
        goroutine-$arg1 $arg0
    else
        printf "goroutine N bt\n"
    end
end
document goroutine
goroutine N bt: the stack of goroutine N, which is not running, innermost call first.
end

define goroutines-bt
    set $each = 'sched/goroutine.c'::all
    while $each
        if $each->state && !$each->system
            printf "\ngoroutine %lu\n", $each->id
            goroutine-bt $each->id
        end
        set $each = $each->all_next
    end
end
document goroutines-bt
The stacks of all goroutines of the program.
end

echo Ingot: `info goroutines`, `goroutine N bt`, `goroutines-bt`; `cores`, `bt-all`, `here`; Ctrl-C stops, `kill` ends.\n
