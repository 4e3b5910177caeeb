.PHONY: help build test fast flink storage power lint golden bench

help: ## name the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST)

build: ## build the program into this directory
	go build ./cmd/snapback

test: ## install what is missing and pass all tests, as CI does
	.ci/test

fast: ## the tests that need neither Java nor minutes
	go test $$(go list ./... | grep -v -e suites/crashpoints -e suites/flink -e suites/power -e suites/reference -e suites/storage)

flink: ## the conformance suite on real Apache Flink
	go test -timeout 30m ./suites/flink

storage: ## the storages on real HDFS, S3 and Flink
	go test -timeout 30m ./suites/storage

power: ## plant real bugs in the reference, and have them found
	go run ./suites/power/mutants

lint: ## golangci-lint and actionlint
	golangci-lint run && actionlint

golden: ## rewrite golden files; look at the difference
	go test ./harness/targets/reference ./scenarios ./faults -run 'Golden|Generated' -update

bench: ## benchmarks
	go test -run '^$$' -bench . ./...
