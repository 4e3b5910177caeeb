package live_test

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/snapback/snapback/reference/environment"
	"github.com/snapback/snapback/reference/live"
	"github.com/snapback/snapback/reference/protocol"
	"github.com/snapback/snapback/storage/filesystem"
	"github.com/snapback/snapback/storage/metadata"
)

func listen(t *testing.T, address string, log io.Writer) *live.Process {
	t.Helper()
	p, err := live.Listen(address, filesystem.Local{}, log)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMessagesCrossProcessesInOrder(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", io.Discard), listen(t, "127.0.0.1:0", io.Discard)
	defer a.Close()
	defer b.Close()
	const messages = 1000
	received := make(chan []int)
	b.Run("starter", func(env environment.Environment) {
		env.Spawn("receiver", func(env environment.Environment) {
			var got []int
			for len(got) < messages {
				envelope, ok := env.Receive(10 * time.Second)
				if !ok {
					break
				}
				got = append(got, envelope.Message.(protocol.Credit).Records)
			}
			received <- got
		})
	})
	a.Run("sender", func(env environment.Environment) {
		for i := range messages {
			env.Send(environment.Address{Process: b.Address(), Task: "receiver"}, protocol.Credit{Records: i})
		}
	})
	got := <-received
	for i, n := range got {
		if i != n {
			t.Fatalf("message %d is %d", i, n)
		}
	}
	if len(got) != messages {
		t.Errorf("want %d messages, got %d", messages, len(got))
	}
}

// Messages reach a process that was started again at the same address.
func TestALinkIsMadeAgain(t *testing.T) {
	a, b := listen(t, "127.0.0.1:0", io.Discard), listen(t, "127.0.0.1:0", io.Discard)
	defer a.Close()
	to := environment.Address{Process: b.Address(), Task: "receiver"}
	heard := make(chan struct{}, 1)
	receive := func(env environment.Environment) {
		if _, ok := env.Receive(10 * time.Second); ok {
			heard <- struct{}{}
		}
	}
	b.Run("starter", func(env environment.Environment) { env.Spawn("receiver", receive) })
	knock := func(env environment.Environment) {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); env.Sleep(10 * time.Millisecond) {
			env.Send(to, protocol.Heartbeat{})
			select {
			case <-heard:
				return
			default:
			}
		}
		t.Error("nothing came through")
	}
	a.Run("first", knock)
	b.Close()
	again := listen(t, to.Process, io.Discard)
	defer again.Close()
	again.Run("starter", func(env environment.Environment) { env.Spawn("receiver", receive) })
	a.Run("second", knock)
}

func TestNonsenseOnTheWireIsDropped(t *testing.T) {
	p := listen(t, "127.0.0.1:0", io.Discard)
	defer p.Close()
	connection, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Write(bytes.Repeat([]byte{0xff}, 1000)); err != nil {
		t.Fatal(err)
	}
	_ = connection.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := connection.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("want the connection closed, got %d bytes, %v", n, err)
	}
}

// Every message keeps all its fields on the network.
func TestEveryMessageCanBeSent(t *testing.T) {
	for _, message := range protocol.Messages() {
		filled := reflect.New(reflect.TypeOf(message)).Elem()
		fill(filled)
		sent := struct{ Message environment.Message }{filled.Interface()}
		var wire bytes.Buffer
		if err := gob.NewEncoder(&wire).Encode(sent); err != nil {
			t.Errorf("%T: %v", message, err)
			continue
		}
		var received struct{ Message environment.Message }
		if err := gob.NewDecoder(&wire).Decode(&received); err != nil {
			t.Errorf("%T: %v", message, err)
		}
		if !reflect.DeepEqual(sent, received) {
			t.Errorf("%T: sent %+v, received %+v", message, sent, received)
		}
	}
}

// fill gives every field a value other than zero. If a field can hold several kinds of handles,
// fill uses only one kind.
func fill(v reflect.Value) {
	for _, handle := range []any{
		&metadata.ByteStream{Name: "text", Data: []byte("data")},
		&metadata.OperatorList{Stream: &metadata.RelativeFile{Path: "text", Size: 7}}, &metadata.KeyGroups{Stream: &metadata.File{Path: "text", Size: 7}},
	} {
		if v.Kind() == reflect.Interface && v.NumMethod() > 0 && reflect.TypeOf(handle).Implements(v.Type()) {
			v.Set(reflect.ValueOf(handle))
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Interface:
		v.Set(reflect.ValueOf(protocol.CancelJob{Job: "text"}))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.SetMapIndex(reflect.ValueOf("text"), value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int8: // the type of a list's mode
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(7)
	default:
		v.SetInt(7)
	}
}

func TestTheLogIsOneObjectALine(t *testing.T) {
	var log strings.Builder
	p := listen(t, "127.0.0.1:0", &log)
	defer p.Close()
	p.Run("task", func(env environment.Environment) {
		env.Log(environment.Record{Event: "job", Status: "RUNNING"})
	})
	if log.String() != `{"event":"job","status":"RUNNING"}`+"\n" {
		t.Errorf("got %s", log.String())
	}
}

func TestAnAddressInUseIsAnError(t *testing.T) {
	p := listen(t, "127.0.0.1:0", io.Discard)
	defer p.Close()
	if _, err := live.Listen(p.Address(), filesystem.Local{}, io.Discard); err == nil {
		t.Error("two processes listen at one address")
	}
}

func Example() {
	p, _ := live.Listen("127.0.0.1:0", filesystem.Local{}, io.Discard)
	defer p.Close()
	p.Run("task", func(env environment.Environment) {
		env.Send(env.Self(), protocol.Heartbeat{})
		envelope, _ := env.Receive(time.Second)
		fmt.Printf("%T\n", envelope.Message)
	})
	// Output: protocol.Heartbeat
}
