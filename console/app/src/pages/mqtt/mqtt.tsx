import { Page } from '../../components/page';

export default function MqttPage() {
  return <Page title="Mqtt">…</Page>;
}
