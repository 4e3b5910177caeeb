package s3proxy

import (
	"context"

	"github.com/snapback/snapback/faults"
)

// actionKey is the key of the context value that holds a fault's action. The proxy attaches the
// action to a request, and later lets the action change the answer.
type actionKey struct{}

func withAction(ctx context.Context, action faults.Action) context.Context {
	return context.WithValue(ctx, actionKey{}, action)
}

// actionOf returns the action that a request carries, or nil.
func actionOf(ctx context.Context) faults.Action {
	action, _ := ctx.Value(actionKey{}).(faults.Action)
	return action
}
