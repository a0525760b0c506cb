// The harness: as bench/bench.h and bench/runner.c, so that figures mean the same.
//
// As an ordinary program its options are flags. As process 1 of a machine that runs nothing else they come from the
// kernel's command line (bench.args=-icount,-short,Yield), and the machine is switched off at the end.
package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func cycles() uint64 // clock_amd64.s: instructions, under QEMU's instruction counting

var start = time.Now()

type bench struct {
	n       int
	icount  bool
	short   bool
	noTime  bool
	skipped string

	started, elapsed uint64
	running          bool
	before, after    runtime.MemStats
	metrics          []metric
	seriesUnit       string
	series           []int64
}

type metric struct {
	value float64
	unit  string
}

type benchCase struct {
	name     string
	icountN  int // 0: 2000
	once     bool
	wallOnly bool
	longOnly bool
	needCPUs int
	fn       func(b *bench)
}

func (b *bench) now() uint64 {
	if b.icount {
		return cycles()
	}
	return uint64(time.Since(start))
}

func (b *bench) start() {
	runtime.ReadMemStats(&b.before)
	b.running = true
	b.started = b.now()
}

func (b *bench) stop() {
	now := b.now()
	if !b.running {
		return
	}
	b.running = false
	runtime.ReadMemStats(&b.after)
	b.elapsed = now - b.started
}

func (b *bench) metric(value float64, unit string) {
	b.metrics = append(b.metrics, metric{value, unit})
}

func (b *bench) percentiles(samples []int64) {
	if len(samples) == 0 {
		return
	}
	n := len(samples)
	slices.Sort(samples)
	b.seriesUnit, b.series = "sample-ns", samples
	b.metric(float64(samples[n/2]), "p50-ns")
	b.metric(float64(samples[n-1-n/100]), "p99-ns")
	b.metric(float64(samples[n-1]), "max-ns")
}

var (
	_      = flag.Bool("time", true, "the clock is a clock, as without -icount")
	icount = flag.Bool("icount", false, "the clock counts instructions: n is fixed")
	short  = flag.Bool("short", false, "one result each, 50 ms, none of the long ones")
	series = flag.Bool("series", false, "also the single values behind the percentiles, for tools/benchsvg.c")
	count  = flag.Int("count", 0, "results of each benchmark: 5, with -icount 3, with -short 1")
	ms     = flag.Int("ms", 0, "least time of one result, default 300, with -short 50")
)

func runOnce(c *benchCase, n int) *bench {
	b := &bench{n: n, icount: *icount, short: *short}
	runtime.GC()
	b.start()
	c.fn(b)
	b.stop()
	return b
}

func chooseN(c *benchCase) int {
	if c.once {
		return 1
	}
	if *icount {
		n := c.icountN
		if n == 0 {
			n = 2000
		}
		runOnce(c, n/4+1) // warm up
		return n
	}
	want := uint64(*ms) * 1000000
	for n := 1; ; {
		b := runOnce(c, n)
		if b.skipped != "" || b.elapsed >= want || n >= 1e9 {
			return n
		}
		next := n * 100
		if b.elapsed > 0 {
			next = int(min(float64(want)*float64(n)/float64(b.elapsed)*1.2, float64(n)*100, 1e9))
		}
		n = max(n+1, next)
	}
}

func format(v float64) string {
	switch {
	case v == 0 || v >= 999.95:
		return fmt.Sprintf(" %10.0f", v)
	case v >= 99.995:
		return fmt.Sprintf(" %10.1f", v)
	case v >= 9.9995:
		return fmt.Sprintf(" %10.2f", v)
	}
	return fmt.Sprintf(" %10.3f", v)
}

func unfit(c *benchCase) string {
	switch {
	case c.wallOnly && *icount:
		return "says nothing in instructions"
	case c.longOnly && *short:
		return "takes long"
	case c.needCPUs > runtime.NumCPU():
		return "needs more cores"
	}
	return ""
}

func runCase(c *benchCase) {
	why := unfit(c)
	if why == "" {
		n := chooseN(c)
		for i := 0; i < *count && why == ""; i++ {
			b := runOnce(c, n)
			if why = b.skipped; why != "" {
				break
			}
			line := fmt.Sprintf("Benchmark%s-%d %8d", c.name, runtime.GOMAXPROCS(0), n)
			if !b.noTime {
				unit := " ns/op"
				if *icount {
					unit = " instr/op"
				}
				line += format(float64(b.elapsed)/float64(n)) + unit
			}
			for _, m := range b.metrics {
				line += format(m.value) + " " + m.unit
			}
			if !b.noTime {
				line += fmt.Sprintf(" %6d B/op %4d allocs/op", (b.after.TotalAlloc-b.before.TotalAlloc)/uint64(n),
					(b.after.Mallocs-b.before.Mallocs)/uint64(n))
			}
			fmt.Println(line)
			if *series && len(b.series) > 0 {
				fmt.Println("# series", c.name, b.seriesUnit, strings.Trim(fmt.Sprint(b.series), "[]"))
			}
		}
	}
	if why != "" {
		fmt.Printf("# %s: skipped: %s\n", c.name, why)
	}
}

func kernelArgs() []string {
	os.Mkdir("/proc", 0o755)
	syscall.Mount("proc", "/proc", "proc", 0, "")
	os.WriteFile("/proc/sys/debug/exception-trace", []byte("0"), 0) // no line for each nil dereference
	text, _ := os.ReadFile("/proc/cmdline")
	for _, word := range strings.Fields(string(text)) {
		if args, ok := strings.CutPrefix(word, "bench.args="); ok && args != "" {
			return strings.Split(args, ",")
		}
	}
	return nil
}

func main() {
	mainAt := time.Now()
	args := os.Args[1:]
	if os.Getpid() == 1 {
		args = kernelArgs()
	}
	flag.CommandLine.Parse(args)
	if *count == 0 {
		*count = 5
		if *icount {
			*count = 3
		}
		if *short {
			*count = 1
		}
	}
	if *ms == 0 {
		*ms = 300
		if *short {
			*ms = 50
		}
	}
	fmt.Printf("\ngoos: %s\ngoarch: %s\npkg: bench\n# %s, cpus %d\n", runtime.GOOS, runtime.GOARCH, runtime.Version(),
		runtime.NumCPU())
	if os.Getpid() == 1 {
		var ts syscall.Timespec // the monotonic clock starts with the kernel
		syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(pointer(&ts)), 0)
		fmt.Printf("BenchmarkBootToMain-1 1 %d ns\n", ts.Nano()-int64(time.Since(mainAt)))
	}
	for i := range cases {
		c := &cases[i]
		selected := flag.NArg() == 0
		for _, pattern := range flag.Args() {
			if ok, _ := path.Match(pattern, c.name); ok {
				selected = true
			}
		}
		if selected {
			runCase(c)
		}
	}
	fmt.Println("# end")
	if os.Getpid() == 1 {
		time.Sleep(50 * time.Millisecond) // the serial line
		syscall.Sync()
		syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
	}
}
