import { Page } from '../../components/page';

export default function DevicePage() {
  return <Page title="Device">…</Page>;
}
