# The daily commands. .ci/run is what a change has to pass.

.PHONY: check console fuzz bench bench-peers run soak
.PHONY: sim soak-power soak-offline
.PHONY: soak-ingest soak-timeseries bench-timeseries

check: # format, vet, staticcheck, tests under the race detector
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -race -short -shuffle=on ./...

console: # check and build the web application: needs Node 20
	cd console/app && npm ci --no-audit --no-fund && npm run types && npm run check && npm test && npm run build

FUZZTIME ?= 60s
fuzz: # every fuzz target for FUZZTIME
	@FUZZTIME=$(FUZZTIME) .ci/fuzz

COUNT ?= 6
bench: # all benchmarks, ready for benchstat
	go test -run '^$$' -bench . -benchmem -count $(COUNT) ./...

bench-peers: # the same load against Mosquitto (if installed), mochi-mqtt and nats-server: a table of medians
	broker/peers/run

run: # a server on ./data
	go run . serve

SEEDS ?= 100000
sim: # the broker in a simulated world, SEEDS times
	go test -run TestSimulation -count 1 -timeout 0 -v ./broker -sim-seeds $(SEEDS)

ROUNDS ?= 1000
soak: # kill and restart under load, ROUNDS times
	go test -run TestKill -count 1 -timeout 0 -v . -rounds $(ROUNDS)

FILESYSTEMS ?= ext4,xfs
soak-power: # cut the power, and copy the device, under load, ROUNDS times on each of FILESYSTEMS; needs root, loop devices and strace
	go test -run 'TestPowerCut|TestDeviceImage' -count 1 -timeout 0 -v . -rounds $(if $(filter file,$(origin ROUNDS)),50,$(ROUNDS)) -power $(FILESYSTEMS)

SESSIONS ?= 100000
soak-offline: # 100 messages wait for each of SESSIONS clients that are away: memory, time to start, nothing missing
	go test -run TestSoakOffline -count 1 -timeout 0 -v ./broker -offline-sessions $(SESSIONS)

bench-timeseries: # the same points for xively, InfluxDB and Prometheus: CPU, bytes and latencies; needs Debian's influxdb and prometheus
	timeseries/peers/run

DEVICES ?= 5000
RATE ?= 10000
FOR ?= 10m
soak-ingest: # DEVICES send RATE messages of three points a second over MQTT FOR so long; what was acknowledged must be there
	go test -run TestSoakIngest -count 1 -timeout 0 -v . -soak-devices $(DEVICES) -soak-rate $(RATE) -soak-for $(FOR)

SOAK ?= 30m
soak-timeseries: # points, queries, roll-ups and retention together for SOAK; memory must stay flat
	XIVELY_SOAK=$(SOAK) go test -run TestSoak -count 1 -timeout 0 -v ./timeseries
