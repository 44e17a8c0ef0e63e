// What a goroutine costs: ../primitives.c for Go, names and all, with GOMAXPROCS=1.
//
// A buffered channel of one is Go's semaphore. Its mutex does not hand over: who unlocks it may have
// it again before the one who was woken.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"syscall"
)

const (
	times  = 300000
	atOnce = 1000
	rounds = 9
)

// Processor time of the process, as in ../measure.h.
func nowNs() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano() + usage.Stime.Nano())
}

func measure(what string, body func()) {
	var took [rounds]float64
	for i := range took {
		start := nowNs()
		body()
		took[i] = (nowNs() - start) / times
	}
	sort.Float64s(took[:])
	form := "%-13s %-34s best %9.1f ns   median %9.1f ns   worst %9.1f ns\n"
	if len(os.Args) > 1 && os.Args[1] == "--json" {
		form = `{"who": "%s", "what": "%s", "best": %.2f, "median": %.2f, "worst": %.2f, ` +
			fmt.Sprintf(`"rounds": %d}`, rounds) + "\n"
	}
	fmt.Printf(form, "Go", what, took[0], took[rounds/2], took[rounds-1])
}

func nothing() {}

func spawnAndFinish() {
	for i := 0; i < times; i++ {
		go nothing()
		runtime.Gosched()
	}
}

func spawnManyAndFinish() {
	for i := 0; i < times/atOnce; i++ {
		for k := 0; k < atOnce; k++ {
			go nothing()
		}
		runtime.Gosched()
	}
}

func spawnAndJoin() {
	done := make(chan struct{})
	for i := 0; i < times; i++ {
		go func() { done <- struct{}{} }()
		<-done
	}
}

func spawnManyAndJoin() {
	var all sync.WaitGroup
	for i := 0; i < times/atOnce; i++ {
		all.Add(atOnce)
		for k := 0; k < atOnce; k++ {
			go all.Done()
		}
		all.Wait()
	}
}

// Run a body times/2 times in each of two goroutines.
func runTwo(body func(mine int)) {
	var both sync.WaitGroup
	both.Add(2)
	for mine := 0; mine < 2; mine++ {
		go func(mine int) {
			for i := 0; i < times/2; i++ {
				body(mine)
			}
			both.Done()
		}(mine)
	}
	both.Wait()
}

func yield() {
	runTwo(func(int) { runtime.Gosched() })
}

func handOver() {
	turns := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	turns[0] <- struct{}{}
	runTwo(func(mine int) {
		<-turns[mine]
		turns[1-mine] <- struct{}{}
	})
}

var mutex sync.Mutex

func handMutexOver() {
	runTwo(func(int) {
		mutex.Lock()
		runtime.Gosched()
		mutex.Unlock()
	})
}

func lockFreeMutex() {
	for i := 0; i < times; i++ {
		mutex.Lock()
		mutex.Unlock()
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	measure("spawn, run, finish", spawnAndFinish)
	measure("the same, 1,000 at a time", spawnManyAndFinish)
	measure("spawn, join", spawnAndJoin)
	measure("the same, 1,000 at a time, joined", spawnManyAndJoin)
	measure("yield", yield)
	measure("hand-over", handOver)
	measure("mutex, handed over", handMutexOver)
	measure("mutex, free", lockFreeMutex)
}
