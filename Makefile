.PHONY: help build test install fast flink storage power lint golden bench

help: ## name the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST)

build: ## build the programs into this directory
	go build -o . ./cmd/...

test: ## install what is missing, check the source and pass all tests, as CI does
	.ci/test

install: ## install what the suites need: Flink, Hadoop, MinIO, stand-ins of other stores, an image
	go run ./suites/servers/install

fast: ## all tests but those of suites that need Java, Docker or minutes
	go run ./suites/internal/gotest $$(go list ./... | grep -v -e suites/containers -e suites/crashpoints -e suites/fields -e suites/flink -e suites/kafka -e suites/power -e suites/reference -e suites/storage)

flink: ## the conformance suite on real Apache Flink
	go run ./suites/internal/gotest -timeout 30m ./suites/flink

storage: ## the storages on real HDFS, S3 and Flink
	go run ./suites/internal/gotest -timeout 30m ./suites/storage

power: ## plant real bugs in the reference, and have them found
	go run ./suites/power/mutants

lint: ## the linters that CI runs, of the same versions
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

golden: ## rewrite golden files; look at the difference
	go test ./harness/targets/reference ./suites/architecture ./faults -run 'Golden|Generated' -update
	go test ./cmd/internal/commandline -run ThePageOfFlags -update
	go test ./suites/conformance -run ThePageOfFeatures -update

bench: ## benchmarks
	go test -run '^$$' -bench . ./...
