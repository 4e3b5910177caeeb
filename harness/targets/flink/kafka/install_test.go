package kafka_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/snapback/snapback/harness"
	"github.com/snapback/snapback/harness/targets/flink/kafka"
)

func TestEachReleaseOfFlinkHasItsConnector(t *testing.T) {
	for flink, want := range map[string]string{"1.20.5": "3.4.0-1.20", "2.0.2": "4.0.1-2.0", "2.1.3": "5.0.0-2.1", "2.3.0": "5.0.0-2.2"} {
		if got, err := kafka.Connector(flink); err != nil || got != want {
			t.Errorf("Flink %s: want %s, got %s, %v", flink, want, got, err)
		}
	}
	_, err := kafka.Connector("0.9.0")
	var usage *harness.UsageError
	if !errors.As(err, &usage) {
		t.Errorf("want bad input, got %v", err)
	}
}

// Another list of jars gets another directory, so that nobody uses the jars of another release.
func TestEachConnectorHasItsOwnDirectory(t *testing.T) {
	if a, b := kafka.ConnectorDir("cache", "3.4.0-1.20"), kafka.ConnectorDir("cache", "5.0.0-2.2"); a == b {
		t.Errorf("both are %s", a)
	}
}

func ExampleConnector() {
	connector, _ := kafka.Connector("2.3.0")
	fmt.Println(connector)
	// Output: 5.0.0-2.2
}
