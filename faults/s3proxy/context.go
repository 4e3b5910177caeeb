package s3proxy

import (
	"context"

	"github.com/snapback/snapback/faults"
)

// faultKey is under which a request carries the fault that changes its answer.
type faultKey struct{}

func withFault(ctx context.Context, fault faults.Fault) context.Context {
	return context.WithValue(ctx, faultKey{}, fault)
}

func faultOf(ctx context.Context) faults.Fault {
	fault, _ := ctx.Value(faultKey{}).(faults.Fault)
	return fault
}
