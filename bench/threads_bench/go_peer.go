// The opponent in Go: `go_peer WHAT ARGUMENTS...` does one measurement and prints its cost. One
// processor unless the arguments say otherwise. CPU time of the whole process, its collector included.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func cpuNs() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return float64(used.Utime.Nano() + used.Stime.Nano())
}

func nsEach(count int, work func()) float64 {
	before := cpuNs()
	work()
	return (cpuNs() - before) / float64(count)
}

func yield(threads, rounds int) float64 {
	return nsEach(threads*rounds, func() {
		var done sync.WaitGroup
		done.Add(threads)
		for i := 0; i < threads; i++ {
			go func() {
				for k := 0; k < rounds; k++ {
					runtime.Gosched()
				}
				done.Done()
			}()
		}
		done.Wait()
	})
}

func channel(capacity, trips int) float64 {
	return nsEach(trips, func() {
		there, back := make(chan int, capacity), make(chan int, capacity)
		go func() {
			for i := 0; i < trips; i++ {
				back <- <-there
			}
		}()
		for i := 0; i < trips; i++ {
			there <- 1
			<-back
		}
	})
}

// Two sides take turns through one mutex and one condition variable each.
type turns struct {
	mutex   sync.Mutex
	changed [2]*sync.Cond
	turn    int
}

func (t *turns) play(me, trips int) {
	for i := 0; i < trips; i++ {
		t.mutex.Lock()
		for t.turn != me {
			t.changed[me].Wait()
		}
		t.turn = 1 - me
		t.changed[1-me].Signal()
		t.mutex.Unlock()
	}
}

func condition(trips int) float64 {
	return nsEach(trips, func() {
		t := &turns{}
		t.changed[0], t.changed[1] = sync.NewCond(&t.mutex), sync.NewCond(&t.mutex)
		done := make(chan bool)
		go func() {
			t.play(1, trips)
			done <- true
		}()
		t.play(0, trips)
		<-done
	})
}

func spawn(count int) float64 {
	return nsEach(count, func() {
		var done sync.WaitGroup
		for i := 0; i < count; i++ {
			done.Add(1)
			go done.Done()
			done.Wait()
		}
	})
}

func residentBytes() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		panic(err)
	}
	return pages * os.Getpagesize()
}

// Prints CPU nanoseconds a thread to create and park, or the bytes that each keeps.
func park(threads int, what string) float64 {
	bytesBefore, gate := residentBytes(), make(chan bool)
	ns := nsEach(threads, func() {
		for i := 0; i < threads; i++ {
			go func() { <-gate }()
			if i%1000 == 0 {
				runtime.Gosched()
			}
		}
		runtime.Gosched()
	})
	if what == "bytes" {
		return float64(residentBytes()-bytesBefore) / float64(threads)
	}
	return ns
}

var sink uint64

func spin(rounds int) {
	var x uint64 = 88172645463325252
	for i := 0; i < rounds; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	if x == 0 {
		sink++
	}
}

// Elapsed nanoseconds a task when one thread starts them all and waits for all.
func forkJoin(processors, tasks, rounds int) float64 {
	runtime.GOMAXPROCS(processors)
	start := time.Now()
	var done sync.WaitGroup
	done.Add(tasks)
	for i := 0; i < tasks; i++ {
		go func() {
			spin(rounds)
			done.Done()
		}()
	}
	done.Wait()
	return float64(time.Since(start).Nanoseconds()) / float64(tasks)
}

// How late a goroutine wakes that sleeps 1 ms at a time, p99 in microseconds, while others block.
func heartbeat(blockers, callMs, seconds int) float64 {
	var over int32
	call := syscall.NsecToTimespec(int64(callMs) * 1e6)
	for i := 0; i < blockers; i++ {
		go func() {
			for atomic.LoadInt32(&over) == 0 {
				syscall.Nanosleep(&call, nil)
			}
		}()
	}
	var late []float64
	for until := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(until); {
		before := time.Now()
		time.Sleep(time.Millisecond)
		late = append(late, float64(time.Since(before).Nanoseconds())/1e3-1000)
	}
	atomic.StoreInt32(&over, 1)
	sort.Float64s(late)
	return late[len(late)*99/100]
}

func main() {
	runtime.GOMAXPROCS(1)
	number := func(at int) int {
		value, err := strconv.Atoi(os.Args[at])
		if err != nil {
			panic(err)
		}
		return value
	}
	var result float64
	switch os.Args[1] {
	case "yield":
		result = yield(number(2), number(3))
	case "channel":
		result = channel(number(2), number(3))
	case "condition":
		result = condition(number(2))
	case "spawn":
		result = spawn(number(2))
	case "park":
		result = park(number(2), os.Args[3])
	case "heartbeat":
		result = heartbeat(number(2), number(3), number(4))
	case "fork-join":
		result = forkJoin(number(2), number(3), number(4))
	default:
		panic("unknown: " + os.Args[1])
	}
	fmt.Println(result)
}
