// The benchmarks of bench/*.c, in Go, by the same names. A comment here says only where it differs.
package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

func pointer(p any) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&p))[1] }

type obj16 struct{ a, b *obj16 }
type obj64 struct {
	a, b, c, d *obj64
	words      [4]uint64
}
type obj512 struct {
	next  *obj512
	words [63]uint64
}
type plain64 struct{ words [8]uint64 }

var (
	sink16  *obj16
	sink64  *obj64
	sink512 *obj512
	sinkP64 *plain64
	sinkB   []byte
	ring    any
	one     *obj16
	sinkInt int
	sinkCh  chan int
)

const liveBytes = 16 << 20

// A store to a global keeps the object from the stack; it is 3 instructions with the barrier off.
func alloc16(b *bench) {
	for i := 0; i < b.n; i++ {
		sink16 = new(obj16)
	}
}
func alloc64(b *bench) {
	for i := 0; i < b.n; i++ {
		sink64 = new(obj64)
	}
}
func alloc512(b *bench) {
	for i := 0; i < b.n; i++ {
		sink512 = new(obj512)
	}
}
func allocPlain64(b *bench) {
	for i := 0; i < b.n; i++ {
		sinkP64 = new(plain64)
	}
}

var size1K, size64K = 1024, 65536

func allocBytes1K(b *bench) {
	for i := 0; i < b.n; i++ {
		sinkB = make([]byte, size1K)
	}
}
func allocBytes64K(b *bench) {
	for i := 0; i < b.n; i++ {
		sinkB = make([]byte, size64K)
	}
}

func allocLive[T any](b *bench) {
	var zero T
	r := make([]*T, liveBytes/int(unsafe.Sizeof(zero)))
	ring = r
	for i := range r {
		r[i] = new(T)
	}
	runtime.GC()
	b.start()
	for i, at := 0, 0; i < b.n; i++ {
		r[at] = new(T)
		if at++; at == len(r) {
			at = 0
		}
	}
	b.stop()
	ring = nil
}

func barrierOff(b *bench) {
	from, to := new(obj16), new(obj16)
	sink16, one = from, to
	b.start()
	for i := 0; i < b.n; i++ {
		sink16.a = to
	}
	b.stop()
}

// ---- Whole programs

type tree struct{ left, right *tree }

func treeMake(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{treeMake(depth - 1), treeMake(depth - 1)}
}

func (t *tree) check() int {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.check() + t.right.check()
}

func gcCPU() float64 {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/total:cpu-seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64()
}

func binaryTrees(maxDepth int) func(b *bench) {
	return func(b *bench) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		cpu, at := gcCPU(), time.Now()
		for i := 0; i < b.n; i++ {
			var wg sync.WaitGroup
			var sum atomic.Int64
			sum.Store(int64(treeMake(maxDepth + 1).check()))
			longLived := treeMake(maxDepth)
			for depth := 4; depth <= maxDepth; depth += 2 {
				n := 1 << (maxDepth - depth + 4)
				wg.Add(1)
				go func(depth int) {
					s := 0
					for i := 0; i < n; i++ {
						s += treeMake(depth).check()
					}
					sum.Add(int64(s))
					wg.Done()
				}(depth)
			}
			wg.Wait()
			sinkInt = longLived.check()
		}
		took := time.Since(at).Seconds()
		runtime.GC() // what the CPU metrics count is brought up to date by a cycle
		runtime.ReadMemStats(&after)
		b.metric(100*(gcCPU()-cpu)/took/float64(runtime.GOMAXPROCS(0)), "gc-%cpu")
		b.metric(float64(after.NumGC-before.NumGC-1)/float64(b.n), "cycles/op")
	}
}

type gcnode struct {
	left, right *gcnode
	i, j        int32
}

func gcbPopulate(depth int, node *gcnode) {
	if depth == 0 {
		return
	}
	node.left, node.right = new(gcnode), new(gcnode)
	gcbPopulate(depth-1, node.left)
	gcbPopulate(depth-1, node.right)
}

func gcbMake(depth int) *gcnode {
	if depth == 0 {
		return new(gcnode)
	}
	left, right := gcbMake(depth-1), gcbMake(depth-1)
	return &gcnode{left: left, right: right}
}

var gcbSink, gcbTree *gcnode
var gcbArray []float64

func gcBench(b *bench) {
	const stretch, longLived, array, least, most = 18, 16, 500000, 4, 16
	gcbSink = gcbMake(stretch)
	gcbSink = nil
	gcbTree = new(gcnode)
	gcbPopulate(longLived, gcbTree)
	gcbArray = make([]float64, array)
	for i := 0; i < array/2; i++ {
		gcbArray[i] = 1.0 / float64(i+1)
	}
	for depth := least; depth <= most; depth += 2 {
		n := 2 * (1<<(stretch+1) - 1) / (1<<(depth+1) - 1)
		for i := 0; i < n; i++ {
			top := new(gcnode)
			gcbPopulate(depth, top)
			gcbSink = top
		}
		for i := 0; i < n; i++ {
			gcbSink = gcbMake(depth)
		}
		gcbSink = nil
	}
	gcbTree, gcbArray = nil, nil
}

func markRate(shuffled bool) func(b *bench) {
	return func(b *bench) {
		n := 2000000
		if b.short || b.icount {
			n = 200000
		}
		nodes := make([]*obj16, n)
		for i := range nodes {
			nodes[i] = new(obj16)
		}
		if shuffled {
			seed := uint64(0x9e3779b97f4a7c15)
			for i := n - 1; i > 0; i-- {
				k := int(random(&seed) % uint64(i+1))
				nodes[i], nodes[k] = nodes[k], nodes[i]
			}
		}
		for i, node := range nodes {
			if 2*i+1 < n {
				node.a = nodes[2*i+1]
			}
			if 2*i+2 < n {
				node.b = nodes[2*i+2]
			}
		}
		one = nodes[0]
		nodes = nil
		runtime.GC()
		b.start()
		for i := 0; i < b.n; i++ {
			runtime.GC()
		}
		b.stop()
		one = nil
		if b.icount {
			b.metric(float64(b.elapsed)/float64(b.n)/float64(n), "instr/object")
		} else {
			b.metric(float64(n)*16*float64(b.n)*1e3/float64(b.elapsed), "MB/s")
		}
	}
}

func random(state *uint64) uint64 {
	x := *state
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*state = x
	return x
}

// ---- Channels

func onOneCore(fn func(b *bench)) func(b *bench) {
	return func(b *bench) {
		procs := runtime.GOMAXPROCS(1)
		fn(b)
		runtime.GOMAXPROCS(procs)
	}
}

func echo(in, out chan int) {
	for v := range in {
		out <- v
	}
	close(out)
}

func roundTrip(capacity int) func(b *bench) {
	return func(b *bench) {
		there, back := make(chan int, capacity), make(chan int, capacity)
		go echo(there, back)
		there <- 0
		<-back
		b.start()
		for i := 0; i < b.n; i++ {
			there <- i
			<-back
		}
		b.stop()
		close(there)
		<-back
	}
}

func chanBuffered(b *bench) {
	c := make(chan int, 16)
	b.start()
	for i := 0; i < b.n; i++ {
		c <- i
		<-c
	}
	b.stop()
}

func chanSend(b *bench) {
	for left := b.n; left > 0; {
		some := min(left, 10000)
		c := make(chan int, some)
		for i := 0; i < some; i++ {
			c <- i
		}
		left -= some
	}
}

func chanProdCons(b *bench) {
	c := make(chan int, 100)
	go func() {
		for i := 0; i < b.n; i++ {
			c <- i
		}
		close(c)
	}()
	for v := range c {
		sinkInt += v
	}
}

func chanMake(b *bench) {
	for i := 0; i < b.n; i++ {
		sinkCh = make(chan int)
	}
}

//go:noinline
func select4(c0, c1, c2, c3 chan int) int {
	select {
	case v := <-c0:
		return v
	case v := <-c1:
		return v
	case v := <-c2:
		return v
	case v := <-c3:
		return v
	}
}

func fourMake(capacity int) (c [4]chan int) {
	for i := range c {
		c[i] = make(chan int, capacity)
	}
	return
}

func selectBlocking(b *bench) {
	there, back := fourMake(0), fourMake(0)
	rounds := (b.n + 1) / 2
	go func() {
		for i := 0; i < rounds+1; i++ {
			back[i&3] <- select4(there[0], there[1], there[2], there[3])
		}
	}()
	there[0] <- 0
	select4(back[0], back[1], back[2], back[3])
	b.start()
	for i := 0; i < rounds; i++ {
		there[i&3] <- i
		select4(back[0], back[1], back[2], back[3])
	}
	b.stop()
}

func select2(c0, c1 chan int) int {
	select {
	case v := <-c0:
		return v
	case v := <-c1:
		return v
	}
}

func select2Blocking(b *bench) {
	there, back := fourMake(0), fourMake(0)
	rounds := (b.n + 1) / 2
	go func() {
		for i := 0; i < rounds+1; i++ {
			back[i&1] <- select2(there[0], there[1])
		}
	}()
	there[0] <- 0
	select2(back[0], back[1])
	b.start()
	for i := 0; i < rounds; i++ {
		there[i&1] <- i
		select2(back[0], back[1])
	}
	b.stop()
}

func select2Ready(b *bench) {
	f := fourMake(1)
	b.start()
	for i := 0; i < b.n; i++ {
		f[1] <- i
		select2(f[0], f[1])
	}
	b.stop()
}

func select16(c *[16]chan int) int {
	select {
	case v := <-c[0]:
		return v
	case v := <-c[1]:
		return v
	case v := <-c[2]:
		return v
	case v := <-c[3]:
		return v
	case v := <-c[4]:
		return v
	case v := <-c[5]:
		return v
	case v := <-c[6]:
		return v
	case v := <-c[7]:
		return v
	case v := <-c[8]:
		return v
	case v := <-c[9]:
		return v
	case v := <-c[10]:
		return v
	case v := <-c[11]:
		return v
	case v := <-c[12]:
		return v
	case v := <-c[13]:
		return v
	case v := <-c[14]:
		return v
	case v := <-c[15]:
		return v
	}
}

func sixteenMake(capacity int) (c [16]chan int) {
	for i := range c {
		c[i] = make(chan int, capacity)
	}
	return
}

func select16Ready(b *bench) {
	c := sixteenMake(1)
	b.start()
	for i := 0; i < b.n; i++ {
		c[i&15] <- i
		select16(&c)
	}
	b.stop()
}

func select16Blocking(b *bench) {
	there, back := sixteenMake(0), sixteenMake(0)
	rounds := (b.n + 1) / 2
	go func() {
		for i := 0; i < rounds+1; i++ {
			back[i&15] <- select16(&there)
		}
	}()
	there[0] <- 0
	select16(&back)
	b.start()
	for i := 0; i < rounds; i++ {
		there[i&15] <- i
		select16(&back)
	}
	b.stop()
}

// A collection that finds nothing alive.
func sweep(b *bench) {
	const rounds = 3
	n := 2000000
	if b.short || b.icount {
		n = 200000
	}
	percent := debug.SetGCPercent(-1)
	var spent uint64
	for range rounds {
		for range n {
			sink16 = new(obj16)
		}
		sink16 = nil
		begun := b.now()
		runtime.GC()
		spent += b.now() - begun
	}
	debug.SetGCPercent(percent)
	b.noTime = true
	unit := "ns/object"
	if b.icount {
		unit = "instr/object"
	}
	b.metric(float64(spent)/float64(n*rounds), unit)
}

func selectReady(b *bench) {
	f := fourMake(1)
	b.start()
	for i := 0; i < b.n; i++ {
		f[2] <- i
		select4(f[0], f[1], f[2], f[3])
	}
	b.stop()
}

func selectDefault(b *bench) {
	f := fourMake(0)
	b.start()
	for i := 0; i < b.n; i++ {
		select {
		case v := <-f[0]:
			sinkInt = v
		case v := <-f[1]:
			sinkInt = v
		case v := <-f[2]:
			sinkInt = v
		case v := <-f[3]:
			sinkInt = v
		default:
		}
	}
	b.stop()
}

func chanTryRecv(b *bench) {
	c := make(chan int)
	b.start()
	for i := 0; i < b.n; i++ {
		select {
		case v := <-c:
			sinkInt = v
		default:
		}
	}
	b.stop()
}

// ---- Defer, panic

var counter int

//go:noinline
func bump(p *int) { *p++ }

//go:noinline
func plainCall(p *int) { bump(p) }

//go:noinline
func defer1(p *int) { defer bump(p) }

//go:noinline
func defer3(p *int) {
	defer bump(p)
	defer bump(p)
	defer bump(p)
}

//go:noinline
func deferLoop(p *int, n int) {
	for i := 0; i < n; i++ {
		defer bump(p)
	}
}

func times(fn func(p *int)) func(b *bench) {
	return func(b *bench) {
		for i := 0; i < b.n; i++ {
			fn(&counter)
		}
	}
}

func deferLoops(b *bench) {
	n := b.n
	for ; n > 1000; n -= 1000 {
		deferLoop(&counter, 1000)
	}
	deferLoop(&counter, n)
}

//go:noinline
func empty(b *bench) {
	for i := 0; i < b.n; i++ {
		sinkInt = i
	}
}

var falls = true

//go:noinline
func fall(depth int) {
	if depth > 0 {
		fall(depth - 1)
	} else if falls {
		panic("fall")
	}
	counter++
}

func stopPanic() { recover() }

//go:noinline
func panicRecover(depth int) {
	defer stopPanic()
	fall(depth)
}

func panics(depth int) func(b *bench) {
	return func(b *bench) {
		for i := 0; i < b.n; i++ {
			panicRecover(depth)
		}
	}
}

func fall50(b *bench) {
	falls = false
	for i := 0; i < b.n; i++ {
		fall(50)
	}
	falls = true
}

//go:noinline
func readInt(p *int) int { return *p }

//go:noinline
func faultRecover() {
	defer stopPanic()
	sinkInt = readInt(nil)
}

func faults(b *bench) {
	for i := 0; i < b.n; i++ {
		faultRecover()
	}
}

// ---- Goroutines

func nothing() {}

func spawnRunExit(b *bench) {
	for i := 0; i < 100; i++ {
		go nothing()
		runtime.Gosched()
	}
	b.start()
	for i := 0; i < b.n; i++ {
		go nothing()
		runtime.Gosched()
	}
	b.stop()
}

func fanOut(b *bench) {
	var wg sync.WaitGroup
	for left := b.n; left > 0; {
		n := min(left, 10000)
		wg.Add(n)
		for i := 0; i < n; i++ {
			go wg.Done()
		}
		wg.Wait()
		left -= n
	}
}

func yieldAmong(n int) func(b *bench) {
	return func(b *bench) {
		var wg sync.WaitGroup
		var enough atomic.Bool
		for i := 1; i < n; i++ {
			wg.Add(1)
			go func() {
				for !enough.Load() {
					runtime.Gosched()
				}
				wg.Done()
			}()
		}
		for i := 0; i < 10; i++ {
			runtime.Gosched()
		}
		b.start()
		for i := 0; i < b.n/n; i++ {
			runtime.Gosched()
		}
		b.stop()
		enough.Store(true)
		wg.Wait()
	}
}

func mutexFree(b *bench) {
	var m sync.Mutex
	for i := 0; i < b.n; i++ {
		m.Lock()
		m.Unlock()
	}
}

func mutexContended(b *bench) {
	var m sync.Mutex
	var wg sync.WaitGroup
	n, guarded := 2*runtime.GOMAXPROCS(0), 0
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func() {
			for k := 0; k < b.n/n+1; k++ {
				m.Lock()
				guarded++
				m.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
}

func rwMutexRead(b *bench) {
	var rw sync.RWMutex
	for i := 0; i < b.n; i++ {
		rw.RLock()
		rw.RUnlock()
	}
}

// All memory that Go got from the system, before and after.
func parkedGoroutine(b *bench) {
	const n = 5000
	var wg sync.WaitGroup
	gate := make(chan bool)
	var before, after runtime.MemStats
	runtime.GC()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&before)
	at := b.now()
	for i := 0; i < n; i++ {
		wg.Add(1)
		go func() {
			<-gate
			wg.Done()
		}()
	}
	for i := 0; i < 10; i++ {
		runtime.Gosched()
	}
	took := b.now() - at
	runtime.ReadMemStats(&after)
	close(gate)
	wg.Wait()
	b.noTime = true
	b.metric(float64(after.StackInuse+after.HeapInuse-before.StackInuse-before.HeapInuse)/n, "B/goroutine")
	if b.icount {
		b.metric(float64(took)/n, "instr/goroutine")
	} else {
		b.metric(float64(took)/n, "ns/goroutine")
	}
}

func timersLate(b *bench) {
	n := 100000
	if b.short || b.icount {
		n = 10000
	}
	seed := uint64(0x13198a2e03707344)
	samples := make([]int64, n)
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		d := 500*time.Millisecond + time.Duration(random(&seed)%1000000000)
		due := time.Now().Add(d)
		time.AfterFunc(d, func() {
			samples[i] = int64(time.Since(due))
			wg.Done()
		})
	}
	wg.Wait()
	b.noTime = true
	b.percentiles(samples)
}

func timerStartStop(b *bench) {
	var others []*time.Timer
	for i := 0; i < 1000; i++ {
		others = append(others, time.AfterFunc(time.Hour+time.Duration(i), nothing))
	}
	b.start()
	for i := 0; i < b.n; i++ {
		time.AfterFunc(time.Hour/2, nothing).Stop()
	}
	b.stop()
	for _, t := range others {
		t.Stop()
	}
}

func nanotime(b *bench) {
	for i := 0; i < b.n; i++ {
		sinkInt = int(time.Since(start))
	}
}

// ---- Stops

// Go records the sum of the two stops of a cycle in PauseNs; the histogram of single stops has coarse buckets. So this is
// the sum of a cycle.
func stopsOfCollections(b *bench, n int) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := 0; i < n; i++ {
		runtime.GC()
	}
	runtime.ReadMemStats(&after)
	var samples []int64
	for i := before.NumGC; i < after.NumGC && i-before.NumGC < 256; i++ {
		samples = append(samples, int64(after.PauseNs[(i)%256]))
	}
	b.noTime = true
	b.percentiles(samples)
}

func cyclesOf(b *bench) int {
	switch {
	case b.icount:
		return 5
	case b.short:
		return 20
	}
	return 100
}

func stopLive(bytes int) func(b *bench) {
	return func(b *bench) {
		n := bytes / 24
		all := make([]*obj16, n)
		for i := range all {
			all[i] = new(obj16)
			all[i].a = all[i/2]
		}
		ring = all
		cycles := cyclesOf(b)
		if bytes > 0 {
			cycles = cycles/5 + 2
		}
		stopsOfCollections(b, cycles)
		ring = nil
	}
}

func stopParked(n int) func(b *bench) {
	return func(b *bench) {
		var wg sync.WaitGroup
		gate := make(chan bool)
		for i := 0; i < n; i++ {
			wg.Add(1)
			go func() {
				<-gate
				wg.Done()
			}()
		}
		runtime.Gosched()
		stopsOfCollections(b, cyclesOf(b)/5+2)
		close(gate)
		wg.Wait()
	}
}

func gap(b *bench) {
	var wg sync.WaitGroup
	var enough atomic.Bool
	for i := 0; i < runtime.GOMAXPROCS(0)-1; i++ {
		wg.Add(1)
		go func() {
			all := make([]*obj16, 100000)
			seed := uint64(88172645463325252)
			for !enough.Load() {
				all[random(&seed)%100000] = new(obj16)
			}
			wg.Done()
		}()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var longest, lost, windowLost, worstLost int64
	const window = 10000000
	length := int64(3000000000)
	if b.short {
		length = 500000000
	}
	begin := int64(time.Since(start))
	last, windowEnd := begin, begin+window
	b.seriesUnit, b.series = "gap-ns", make([]int64, 0, 8192)
	for last < begin+length {
		now := int64(time.Since(start))
		if g := now - last; g > 10000 {
			lost += g
			windowLost += g
			longest = max(longest, g)
			if len(b.series) < 8192 {
				b.series = append(b.series, last-begin, g)
			}
		}
		if now >= windowEnd {
			worstLost = max(worstLost, windowLost)
			windowLost, windowEnd = 0, now+window
		}
		last = now
	}
	enough.Store(true)
	wg.Wait()
	runtime.ReadMemStats(&after)
	b.noTime = true
	b.metric(float64(longest), "longest-ns")
	b.metric(100*float64(length-lost)/float64(length), "utilisation-%")
	b.metric(max(0, 100*float64(window-worstLost)/window), "worst-10ms-%")
	b.metric(float64(after.NumGC-before.NumGC), "cycles")
}

var cases = []benchCase{
	{name: "Alloc16", icountN: 1000000, fn: alloc16},
	{name: "Alloc64", icountN: 300000, fn: alloc64},
	{name: "Alloc512", icountN: 50000, fn: alloc512},
	{name: "AllocPlain64", icountN: 300000, fn: allocPlain64},
	{name: "AllocBytes1K", icountN: 30000, fn: allocBytes1K},
	{name: "AllocBytes64K", icountN: 1000, fn: allocBytes64K},
	{name: "Alloc16Live16M", icountN: 3000000, fn: allocLive[obj16]},
	{name: "Alloc64Live16M", icountN: 800000, fn: allocLive[obj64]},
	{name: "BarrierOff", fn: barrierOff},
	{name: "BinaryTrees10", icountN: 3, fn: binaryTrees(10)},
	{name: "BinaryTrees16", once: true, wallOnly: true, longOnly: true, fn: binaryTrees(16)},
	{name: "GCBench", once: true, wallOnly: true, longOnly: true, fn: gcBench},
	{name: "MarkInOrder", icountN: 2, fn: markRate(false)},
	{name: "MarkShuffled", icountN: 2, fn: markRate(true)},
	{name: "ChanRoundTrip", icountN: 10000, fn: onOneCore(roundTrip(0))},
	{name: "ChanRoundTripCores", needCPUs: 2, wallOnly: true, fn: roundTrip(0)},
	{name: "ChanRoundTripBuffered", icountN: 10000, fn: roundTrip(1)},
	{name: "ChanBuffered", icountN: 10000, fn: chanBuffered},
	{name: "ChanSend", icountN: 10000, fn: chanSend},
	{name: "ChanProdCons100", icountN: 10000, fn: chanProdCons},
	{name: "ChanMake", icountN: 10000, fn: chanMake},
	{name: "Select2Blocking", icountN: 10000, fn: onOneCore(select2Blocking)},
	{name: "Select2Ready", icountN: 10000, fn: select2Ready},
	{name: "Select16Blocking", icountN: 5000, fn: onOneCore(select16Blocking)},
	{name: "Select16Ready", icountN: 5000, fn: select16Ready},
	{name: "Sweep", once: true, fn: sweep},
	{name: "Select4Blocking", icountN: 10000, fn: onOneCore(selectBlocking)},
	{name: "Select4Ready", icountN: 10000, fn: selectReady},
	{name: "Select4Default", icountN: 10000, fn: selectDefault},
	{name: "ChanTryRecv", icountN: 10000, fn: chanTryRecv},
	{name: "Empty", icountN: 10000, fn: empty},
	{name: "PlainCall", icountN: 10000, fn: times(plainCall)},
	{name: "Defer1", icountN: 10000, fn: times(defer1)},
	{name: "Defer3", icountN: 10000, fn: times(defer3)},
	{name: "DeferLoop", icountN: 10000, fn: deferLoops},
	{name: "PanicRecover", fn: panics(0)},
	{name: "PanicRecover50", fn: panics(50)},
	{name: "Fall50", fn: fall50},
	{name: "FaultRecover", fn: faults},
	{name: "SpawnRunExit", icountN: 10000, fn: onOneCore(spawnRunExit)},
	{name: "FanOut10000", icountN: 20000, fn: fanOut},
	{name: "Yield", icountN: 10000, fn: onOneCore(yieldAmong(2))},
	{name: "Yield1000", icountN: 500000, fn: onOneCore(yieldAmong(1000))},
	{name: "MutexFree", icountN: 10000, fn: mutexFree},
	{name: "MutexContended", needCPUs: 2, wallOnly: true, fn: mutexContended},
	{name: "RWMutexRead", icountN: 10000, fn: rwMutexRead},
	{name: "ParkedGoroutine", once: true, fn: parkedGoroutine},
	{name: "TimersLate", once: true, fn: timersLate},
	{name: "TimerStartStop", icountN: 5000, fn: timerStartStop},
	{name: "Nanotime", icountN: 10000, fn: nanotime},
	{name: "StopGC", once: true, fn: stopLive(0)},
	{name: "StopGCLive64M", once: true, fn: stopLive(64 << 20)},
	{name: "StopGCParked10k", once: true, fn: stopParked(10000)},
	{name: "Gap", once: true, needCPUs: 2, wallOnly: true, fn: gap},
}
